import pytest

from common.errors import unavailable
from common.messaging.backoff import Backoff
from common.messaging.course import Ask, Cause, Course, Deliver, Park, Patience
from common.messaging.failures import FailureKind
from tests.support.records import message

PATIENCE = Patience(attempts=3, retry=Backoff(1.0, 4.0), database=Backoff(0.1, 1.0))
LATER = unavailable("provider.away", "later")
AWAY = unavailable("database.unavailable", "gone")


def course(*offsets: int, chance: float = 1.0) -> Course:
    return Course([message(offset) for offset in offsets], PATIENCE, lambda: chance)


def offsets(act: Deliver | Park | Ask | None) -> list[int]:
    assert isinstance(act, Deliver)
    return [one.offset for one in act.messages]


def lose_the_session(one: Course) -> None:
    assert one.failed(AWAY)
    assert one.next(always) == Ask()
    one.answered()


def always(_: object) -> bool:
    return True


class TestACourse:
    def test_begins_with_all_at_once_and_ends_when_that_goes_well(self):
        one = course(1, 2, 3)

        assert offsets(one.next(always)) == [1, 2, 3]
        assert [done.offset for done in one.succeeded()] == [1, 2, 3]
        assert one.next(always) is None

    def test_goes_message_by_message_after_a_failure_in_the_same_order(self):
        one = course(1, 2)

        one.next(always)
        assert one.failed(KeyError()) is None
        assert offsets(one.next(always)) == [1]
        one.succeeded()
        assert offsets(one.next(always)) == [2]

    def test_parks_what_fails_alone_with_what_does_not_pass(self):
        one = course(1)

        one.next(always)
        assert one.failed(KeyError()) is None
        act = one.next(always)

        assert isinstance(act, Park)
        assert (act.message.offset, act.attempts) == (1, 1)

    @pytest.mark.parametrize(("chance", "waits"), [(1.0, [1.0, 2.0]), (0.0, [0.5, 1.0])])
    def test_tries_what_passes_by_itself_so_often_with_waits_that_double_and_vary(self, chance, waits):
        one = course(1, chance=chance)

        pauses = [one.failed(LATER) for _ in range(3)]

        assert [pause.seconds for pause in pauses if pause] == waits
        assert isinstance(one.next(always), Park)

    def test_judges_nothing_while_the_database_is_away(self):
        one = course(1, 2)

        pauses = [one.failed(AWAY) for _ in range(20)]
        asked = one.next(always)
        one.answered()

        assert {pause.cause for pause in pauses if pause} == {Cause.DATABASE}
        assert asked == Ask()
        assert offsets(one.next(always)) == [1, 2]

    def test_parks_alone_what_loses_its_session_again_and_again_although_the_database_answers(self):
        one = course(1, 2)

        for _ in range(PATIENCE.attempts):
            assert offsets(one.next(always)) == [1, 2]
            lose_the_session(one)
        for _ in range(PATIENCE.attempts):
            assert offsets(one.next(always)) == [1]
            lose_the_session(one)

        act = one.next(always)
        assert isinstance(act, Park)
        assert (act.message.offset, act.failure.kind) == (1, FailureKind.TRANSIENT)
        one.succeeded()
        assert offsets(one.next(always)) == [2]

    def test_leaves_to_others_what_may_not_begin_any_more(self):
        one = course(1, 2)

        assert one.next(lambda _: False) is None

    def test_cannot_go_on_when_even_parking_is_refused(self):
        one = course(1)
        one.failed(KeyError())
        one.next(always)

        with pytest.raises(ValueError, match="refused"):
            one.failed(ValueError("refused"))
