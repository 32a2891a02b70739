from common.locks.circuit import Circuit
from common.locks.hold import Hold


def granted(*, sent_at: float, ttl_seconds: float = 9.0) -> Hold:
    hold = Hold(ttl_seconds)
    hold.granted(sent_at=sent_at, fence=1)
    return hold


class TestAHold:
    def test_is_none_before_it_was_granted(self):
        assert not Hold(9.0).held(0.0)

    def test_lasts_a_little_shorter_than_redis_keeps_it_from_before_the_question(self):
        hold = granted(sent_at=100.0)

        assert hold.held(108.9)
        assert not hold.held(109.0 * 0.9999)

    def test_is_to_be_extended_at_a_third_of_it(self):
        hold = granted(sent_at=100.0)

        assert hold.extend_at == 103.0
        assert hold.may_extend(103.0)

    def test_is_not_extended_by_one_who_comes_late(self):
        hold = granted(sent_at=100.0)

        assert hold.may_extend(106.0)
        assert not hold.may_extend(106.1)
        assert hold.held(106.1)

    def test_is_over_when_it_was_refused(self):
        hold = granted(sent_at=100.0)

        hold.refused()

        assert not hold.held(100.0)
        assert not hold.may_extend(103.0)

    def test_is_asked_for_again_soon_when_there_was_no_answer(self):
        hold = granted(sent_at=100.0)

        hold.unanswered(103.05)

        assert 103.05 < hold.extend_at < 104.0
        assert hold.held(108.0)


class TestTheCircuit:
    def test_opens_after_some_failures_in_a_row(self):
        circuit = Circuit(failures=3, open_seconds=1.0)

        opened = [circuit.failed(0.0) for _ in range(4)]

        assert opened == [False, False, True, False]
        assert not circuit.allows(0.5)

    def test_forgets_failures_that_a_success_followed(self):
        circuit = Circuit(failures=2, open_seconds=1.0)

        circuit.failed(0.0)
        circuit.succeeded()
        circuit.failed(0.0)

        assert circuit.allows(0.0)

    def test_lets_one_try_when_its_time_is_over(self):
        circuit = Circuit(failures=1, open_seconds=1.0)
        circuit.failed(0.0)

        assert [circuit.allows(1.0), circuit.allows(1.0), circuit.allows(2.0)] == [True, False, True]

    def test_closes_when_the_try_succeeds(self):
        circuit = Circuit(failures=1, open_seconds=1.0)
        circuit.failed(0.0)
        circuit.allows(1.0)

        circuit.succeeded()

        assert circuit.allows(1.0)
        assert circuit.allows(1.0)
