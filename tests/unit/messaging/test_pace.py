from common.messaging.pace import Pace, PaceSettings


def pace(**changes: float) -> Pace:
    return Pace(PaceSettings(**{"rows": 100, **changes}), lambda: 1.0)


class TestAPace:
    def test_takes_half_of_what_kafka_refused_and_doubles_when_it_takes_it(self):
        one = pace()

        one.tries(100)
        one.refused()
        refused_once = one.rows
        one.sent()

        assert (refused_once, one.rows) == (50, 100)

    def test_never_takes_less_than_one_row(self):
        one = pace()

        one.tries(1)
        one.refused()

        assert one.rows == 1

    def test_waits_longer_with_every_refusal_in_a_row(self):
        one = pace()

        waits = [one.refused() for _ in range(8)]
        one.sent()

        assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
        assert one.refused() == 0.1

    def test_rests_shortly_while_hints_do_not_arrive_and_longer_when_nothing_comes(self):
        one = pace(poll_seconds=0.25, fastest_poll_seconds=0.025)

        rests = [one.rest(hints_arrive=False)]
        one.found_nothing()
        one.found_nothing()
        rests += [one.rest(hints_arrive=False), one.rest(hints_arrive=True)]

        assert rests == [0.025, 0.05, 0.25]

    def test_sweeps_at_once_and_then_now_and_again(self):
        one = pace(sweep_seconds=10.0)

        first = one.sweep_is_due(3.0)
        one.swept(3.0)

        assert (first, one.sweep_is_due(12.9), one.sweep_is_due(13.0)) == (True, False, True)
