from collections.abc import Set as AbstractSet

from common.messaging.floor import Floor


def a_floor(*, sent: int = 100, writers: AbstractSet[str] = frozenset()) -> Floor:
    """That has sent so much, and was swept once while these wrote."""
    floor = Floor()
    floor.on("server")
    floor.sent(sent)
    floor.swept(writers=writers, first=None)
    return floor


class TestAFloor:
    def test_is_what_was_sent_when_nobody_was_writing(self):
        floor = a_floor(sent=100)

        floor.swept(writers={"later"}, first=None)

        assert floor.on("server") == 100

    def test_waits_for_everybody_who_was_writing_and_for_nobody_who_came_later(self):
        floor = a_floor(sent=100, writers={"slow", "quick"})

        floor.swept(writers={"slow", "later"}, first=None)
        while_it_writes = floor.position
        floor.swept(writers={"later"}, first=None)

        assert (while_it_writes, floor.position) == (0, 100)

    def test_lies_below_what_a_late_commit_has_left(self):
        floor = a_floor(sent=100, writers={"late"})

        floor.swept(writers=frozenset(), first=40)

        assert floor.position == 39

    def test_is_none_on_a_server_that_has_started_since(self):
        floor = a_floor(sent=100)
        floor.swept(writers=frozenset(), first=None)

        assert floor.on("another") == 0
        assert floor.sent_up_to == 0
