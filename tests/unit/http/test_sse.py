import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st

from common.errors import unavailable
from common.http.app import create_app
from common.http.permissions import CurrentUser
from common.http.resources import UseStreams
from common.http.serving import Serving
from common.http.sse import EventStream, LastEventId, encode
from common.http.streams import MOST_WAITING_BYTES, Outlet, StreamEvent, Streams
from common.ids import new_id
from tests.support.callers import Callers, signed_in
from tests.support.listening import served
from tests.support.waiting import eventually

ADA = new_id()


def numbered(position: int, text: str = "") -> StreamEvent:
    return StreamEvent(encode(text or str(position), event_id=str(position)), position)


class Feed:
    """A stream of numbers: some are stored, some come while it is open."""

    def __init__(self) -> None:
        self.stored: list[StreamEvent] = []
        self.outlets: list[Outlet] = []
        self.away = False
        self.revoked: set[UUID] = set()
        self.streams = Streams(revoked=self.revoked, heartbeat_seconds=0.05, random=lambda: 0)
        self.callers = Callers()
        router = APIRouter()
        router.get("/feed")(self.get)
        self.app: FastAPI = create_app(title="Feed", service="feed", routers=[router], prefix="")
        self.app.state.access_tokens = self.callers
        self.app.state.streams = self.streams

    async def get(self, user: CurrentUser, streams: UseStreams, since: LastEventId) -> EventStream:
        @asynccontextmanager
        async def source(outlet: Outlet) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
            if self.away:
                raise unavailable("feed.away", "Later, please.")
            self.outlets.append(outlet)
            yield self.after(int(since or 0))
            self.outlets.remove(outlet)

        return EventStream(streams, user, source)

    async def after(self, position: int) -> AsyncIterator[StreamEvent]:
        for event in self.stored:
            if event.position > position:
                yield event

    def publish(self, event: StreamEvent) -> None:
        self.stored.append(event)
        for outlet in self.outlets:
            outlet.put(event)


class Reader:
    """Parses a stream as a browser does: events as (id, name, data)."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.comments = 0
        self.retry: int | None = None

    async def event(self) -> tuple[str | None, str, str]:
        """Bounded: a stream that only beats would be read for ever."""
        async with asyncio.timeout(20):
            return await self._event()

    async def _event(self) -> tuple[str | None, str, str]:
        fields: dict[str, list[str]] = {}
        async for line in self._lines:
            if not line and "data" in fields:
                return (
                    fields.get("id", [None])[-1],
                    fields.get("event", ["message"])[-1],
                    "\n".join(fields["data"]),
                )
            name, _, value = line.partition(": ")
            if name == "retry":
                self.retry = int(value)
            elif line.startswith(":"):
                self.comments += 1
            elif line:
                fields.setdefault(name, []).append(value)
        raise EOFError


@pytest.fixture
async def feed() -> AsyncGenerator[Feed]:
    feed, stop = Feed(), asyncio.Event()
    running = asyncio.create_task(feed.streams.run(stop))
    yield feed
    stop.set()
    await running


@pytest.fixture
async def serving(feed: Feed) -> AsyncGenerator[Serving]:
    async with served(feed.app) as opened:
        yield opened


@asynccontextmanager
async def listening(serving: Serving, last_event_id: str | None = None) -> AsyncGenerator[Reader]:
    headers = signed_in(ADA) | ({} if last_event_id is None else {"Last-Event-ID": last_event_id})
    url = f"http://127.0.0.1:{serving.port('public')}"
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, verify=False) as client,
        client.stream("GET", "/feed") as response,
    ):
        yield Reader(response)


class TestAStream:
    async def test_says_that_nothing_may_gather_it(self, serving: Serving):
        async with listening(serving) as reader:
            headers = reader.response.headers

        assert headers["content-type"].startswith("text/event-stream")
        assert headers["x-accel-buffering"] == "no"
        assert headers["cache-control"] == "no-store, no-transform"
        assert not headers.keys() & {"content-encoding", "content-length"}

    async def test_sends_what_comes_when_it_comes(self, serving: Serving, feed: Feed):
        async with listening(serving) as reader:
            await eventually(lambda: feed.outlets)
            for position in (1, 2):
                feed.publish(numbered(position))

                assert await reader.event() == (str(position), "message", str(position))

    async def test_begins_after_the_last_event_that_was_seen(self, serving: Serving, feed: Feed):
        for position in (1, 2, 3):
            feed.publish(numbered(position))

        async with listening(serving, "2") as reader:
            assert await reader.event() == ("3", "message", "3")

    async def test_resumes_without_gap_or_repetition_while_events_come(self, serving: Serving, feed: Feed):
        """Subscribed before it reads what is stored: some events come both ways."""
        seen: list[str | None] = []
        positions = iter(range(1, 1_000))
        for _ in range(8):
            feed.publish(numbered(next(positions)))
            async with listening(serving, seen[-1] if seen else None) as reader:
                await eventually(lambda: feed.outlets)
                for position in (next(positions), next(positions), next(positions)):
                    feed.publish(numbered(position))
                seen += [(await reader.event())[0] for _ in range(3)]
            await eventually(lambda: not feed.outlets)

        assert seen == [str(position) for position in range(1, 25)]

    async def test_beats_while_nothing_comes(self, serving: Serving, feed: Feed):
        async with listening(serving) as reader:
            await eventually(lambda: feed.outlets)
            asyncio.get_running_loop().call_later(1.2, feed.publish, numbered(1))

            await reader.event()

        assert reader.comments >= 1

    async def test_says_when_to_come_back(self, serving: Serving, feed: Feed):
        feed.publish(numbered(1))
        async with listening(serving) as reader:
            await reader.event()

        assert reader.retry == 1_000

    async def test_that_cannot_begin_is_answered_with_a_problem(self, serving: Serving, feed: Feed):
        feed.away = True

        async with listening(serving) as reader:
            await reader.response.aread()

        assert (reader.response.status_code, reader.response.json()["code"]) == (503, "feed.away")
        assert len(feed.streams) == 0

    async def test_is_let_go_when_its_caller_is_gone(self, serving: Serving, feed: Feed):
        async with listening(serving):
            await eventually(lambda: feed.outlets)

        await eventually(lambda: not feed.outlets and len(feed.streams) == 0)

    @pytest.mark.parametrize("last", ["a b", "x" * 257])
    async def test_after_no_event_id_is_refused(self, serving: Serving, last: str):
        async with listening(serving, last) as reader:
            await reader.response.aread()

        assert (reader.response.status_code, reader.response.json()["code"]) == (
            400,
            "last_event_id_malformed",
        )


class TestTheEnd:
    @pytest.mark.parametrize(
        ("reason", "name"),
        [("finished", "end"), ("revoked", "end"), ("leaving", "reconnect"), ("expired", "reconnect")],
    )
    async def test_is_told_with_its_reason(self, serving: Serving, feed: Feed, reason, name: str):
        async with listening(serving) as reader:
            await eventually(lambda: feed.outlets)
            feed.outlets[0].end(reason)

            assert await reader.event() == (None, name, f'{{"reason": "{reason}"}}')
            with pytest.raises(EOFError):
                await reader.event()

    async def test_comes_within_a_second_of_the_sessions(self, serving: Serving, feed: Feed):
        async with listening(serving) as reader:
            await eventually(lambda: feed.outlets)
            feed.revoked.add(ADA)
            # one second on a machine that does nothing else
            async with asyncio.timeout(3):
                _, name, _ = await reader.event()

        assert name == "end"

    async def test_comes_with_the_tokens(self, serving: Serving, feed: Feed):
        feed.callers.expires_at = datetime.now(UTC) + timedelta(seconds=0.6)

        async with listening(serving) as reader:
            assert await reader.event() == (None, "reconnect", '{"reason": "expired"}')

    async def test_comes_to_who_sends_more_than_a_body_may_have(self, serving: Serving, feed: Feed):
        """Nothing else would tell of the caller's leaving, once nobody reads what comes from there."""
        _, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"))
        head = f"GET /feed HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADA}\r\nContent-Type: image/png\r\n"
        writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        await eventually(lambda: len(feed.streams))

        writer.write(b"200000\r\n" + b"x" * 0x200000)

        await eventually(lambda: not len(feed.streams))
        writer.close()

    async def test_lets_a_process_leave_at_once(self, serving: Serving, feed: Feed):
        async with listening(serving) as reader:
            await eventually(lambda: feed.outlets)

            feed.streams.leave()
            async with asyncio.timeout(5):
                await serving.stop(within_seconds=30)

            assert await reader.event() == (None, "reconnect", '{"reason": "leaving"}')

    async def test_is_told_at_once_to_who_comes_while_the_process_leaves(self, serving: Serving, feed: Feed):
        feed.streams.leave()

        async with listening(serving) as reader:
            assert (await reader.event())[1] == "reconnect"


class TestACallerWhoDoesNotRead:
    async def connect(self, serving: Serving) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port("public"), limit=1024)
        writer.write(f"GET /feed HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADA}\r\n\r\n".encode())
        return reader, writer

    async def fill(self, feed: Feed) -> Outlet:
        """Until what lies between the two ends is full, and then some."""
        await eventually(lambda: feed.outlets)
        (outlet,) = feed.outlets
        large = numbered(1, "x" * 65_536)

        async def is_full() -> bool:
            outlet.put(StreamEvent(large.encoded))
            return outlet.ended is not None

        await eventually(is_full, within=30, every=0)
        return outlet

    async def test_is_sent_away_and_costs_no_more(self, serving: Serving, feed: Feed):
        _, writer = await self.connect(serving)

        outlet = await self.fill(feed)
        outlet.put(numbered(2, "x" * MOST_WAITING_BYTES))

        assert outlet.ended == "too_slow"
        assert outlet._events == []
        writer.close()

    async def test_is_told_to_come_back_once_they_read(self, serving: Serving, feed: Feed):
        reader, writer = await self.connect(serving)
        await self.fill(feed)

        received = b"".join([chunk async for chunk in chunks(reader)])

        writer.close()
        assert b'event: reconnect\ndata: {"reason": "too_slow"}' in received

    async def test_is_hung_up_on_after_a_while(self, serving: Serving, feed: Feed):
        _, writer = await self.connect(serving)
        outlet = await self.fill(feed)
        assert outlet.is_sending

        feed.streams.tick(asyncio.get_running_loop().time() + 31, datetime.now(UTC))

        await eventually(lambda: len(feed.streams) == 0)
        writer.close()


class TestEncoding:
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
    def test_keeps_the_lines_of_the_data(self, data: str):
        lines = encode(data).decode().removesuffix("\n\n").split("\n")

        assert all(line.startswith("data: ") for line in lines)
        assert [line.removeprefix("data: ") for line in lines] == data.replace("\r\n", "\n").replace(
            "\r", "\n"
        ).split("\n")

    def test_puts_id_and_name_before_the_data(self):
        assert encode("1", event_id="7", name="tick") == b"event: tick\nid: 7\ndata: 1\n\n"

    @pytest.mark.parametrize("text", ["a\nb", "", "a\0", "x" * 257, "é"])
    def test_lets_nothing_into_a_name_or_id_that_ends_the_line(self, text: str):
        with pytest.raises(ValueError, match="visible ASCII"):
            encode("1", event_id=text)
        with pytest.raises(ValueError, match="visible ASCII"):
            encode("1", name=text)


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """To the end of the answer; the connection itself is kept."""
    tail = b""
    while not tail.endswith(b"0\r\n\r\n"):
        chunk = await reader.read(65_536)
        tail = (tail + chunk)[-16:]
        yield chunk
