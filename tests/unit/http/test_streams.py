import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from common.errors import QuartetError
from common.http.principals import Principal
from common.http.streams import HEARTBEAT, MOST_OF_A_USER, MOST_WAITING_BYTES, Outlet, StreamEvent, Streams
from common.ids import new_id

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def caller(user_id: UUID | None = None, *, expires_at: datetime = NOON + timedelta(minutes=10)) -> Principal:
    return Principal(user_id or new_id(), new_id(), expires_at)


def open_for(streams: Streams, principal: Principal | None = None) -> AbstractContextManager[Outlet]:
    return streams.outlet(principal or caller(), hang_up=lambda: None)


def event(text: str, position: int | None = None) -> StreamEvent:
    return StreamEvent(text.encode(), position)


@pytest.fixture
def revoked() -> set[UUID]:
    return set()


@pytest.fixture
async def streams(revoked: set[UUID]) -> Streams:
    return Streams(revoked=revoked, clock=lambda: NOON, heartbeat_seconds=15, random=lambda: 0.5)


@pytest.fixture
async def outlet(streams: Streams) -> Iterator[Outlet]:
    with open_for(streams) as opened:
        yield opened


class TestAnOutlet:
    async def test_gives_all_that_waits_in_one_piece(self, outlet: Outlet):
        outlet.put(event("a"))
        outlet.put(event("b"))

        assert await outlet.take() == b"ab"

    async def test_wakes_who_waits(self, outlet: Outlet):
        taking = asyncio.create_task(outlet.take())
        await asyncio.wait([taking], timeout=0.01)

        outlet.put(event("a"))

        assert await taking == b"a"

    async def test_is_bounded_and_sends_away_who_does_not_read(self, outlet: Outlet):
        chunk = event("x" * 1024)

        for _ in range(100_000):
            outlet.put(chunk)

        assert outlet.ended == "too_slow"
        assert await outlet.take() is None
        assert outlet._events == []

    async def test_holds_as_much_as_it_may(self, outlet: Outlet):
        outlet.put(event("x" * MOST_WAITING_BYTES))

        assert outlet.ended is None
        assert len(await outlet.take() or b"") == MOST_WAITING_BYTES

    async def test_holds_as_much_again_once_it_was_emptied(self, outlet: Outlet):
        for _ in range(3):
            outlet.put(event("x" * MOST_WAITING_BYTES))
            await outlet.take()

        assert outlet.ended is None

    async def test_gives_nothing_twice_that_was_replayed(self, outlet: Outlet):
        for position in (3, 4, 5):
            outlet.put(event(str(position), position))
        for position in (1, 2, 3, 4):
            outlet.replayed(event(str(position), position))

        assert await outlet.take() == b"5"

    async def test_gives_what_comes_late_or_twice_once(self, outlet: Outlet):
        outlet.put(event("5", 5))
        outlet.put(event("5", 5))
        outlet.put(event("4", 4))
        outlet.put(event("6", 6))

        assert await outlet.take() == b"56"

    async def test_that_finished_gives_what_waits_first(self, outlet: Outlet):
        outlet.put(event("last"))
        outlet.end("finished")
        outlet.put(event("too late"))

        assert [await outlet.take(), await outlet.take()] == [b"last", None]

    async def test_keeps_its_first_reason(self, outlet: Outlet):
        outlet.end("revoked")
        outlet.end("leaving")

        assert outlet.ended == "revoked"


class TestTheStreams:
    def tick(self, streams: Streams, seconds: float = 0, *, moment: datetime = NOON) -> None:
        streams.tick(asyncio.get_running_loop().time() + seconds, moment)

    async def test_beat_where_nothing_was_sent_for_a_while(self, streams: Streams, outlet: Outlet):
        self.tick(streams, 15.1)

        assert await outlet.take() == HEARTBEAT

    async def test_do_not_beat_where_something_was_sent(self, streams: Streams, outlet: Outlet):
        self.tick(streams, 14)
        outlet.put(event("a"))

        assert await outlet.take() == b"a"

    async def test_hang_up_on_who_takes_nothing(self, streams: Streams):
        hung_up: list[bool] = []
        with streams.outlet(caller(), hang_up=lambda: hung_up.append(True)) as outlet:
            outlet.is_sending = True
            self.tick(streams, 29)
            patient = not hung_up
            self.tick(streams, 31)

        assert patient
        assert hung_up == [True]

    async def test_end_with_their_session(self, streams: Streams, outlet: Outlet, revoked: set[UUID]):
        with open_for(streams) as another:
            revoked.add(outlet.principal.session_id)
            self.tick(streams)

            assert (outlet.ended, another.ended) == ("revoked", None)

    async def test_end_with_the_token_that_opened_them(self, streams: Streams, outlet: Outlet):
        """Its session may end later without anybody remembering it: it has no other token then."""
        self.tick(streams, moment=outlet.principal.expires_at)

        assert outlet.ended == "expired"

    async def test_send_everybody_elsewhere_when_the_process_leaves(self, streams: Streams, outlet: Outlet):
        streams.leave()

        with open_for(streams) as late:
            assert (outlet.ended, late.ended) == ("leaving", "leaving")

    async def test_are_forgotten_when_they_end(self, streams: Streams):
        with open_for(streams):
            assert len(streams) == 1

        assert len(streams) == 0

    async def test_of_one_user_are_bounded(self, streams: Streams):
        ada = new_id()
        with ExitStack() as opened:
            for _ in range(MOST_OF_A_USER):
                opened.enter_context(open_for(streams, caller(ada)))

            with pytest.raises(QuartetError, match=r"streams\.too_many"), open_for(streams, caller(ada)):
                pass
            with open_for(streams):
                pass
        with open_for(streams, caller(ada)):
            assert len(streams) == 1

    async def test_call_back_spread_over_seconds(self, revoked: set[UUID]):
        spread = [Streams(revoked=revoked, random=lambda part=part: part) for part in (0, 0.5, 1)]

        assert [one.retry_milliseconds for one in spread] == [1_000, 2_500, 4_000]
