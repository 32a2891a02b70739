import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter

from common.http.app import create_app
from common.http.permissions import CurrentUser
from common.http.resources import UseStreams
from common.http.serving import Listener, Serving
from common.http.sse import EventStream, LastEventId, encode
from common.http.streams import Outlet, StreamEvent, Streams
from common.ids import new_id
from quartet_cli.stack import Stack
from quartet_cli.stack.description import HOST
from tests.support.callers import Callers, signed_in
from tests.support.waiting import eventually


class Chat:
    """Where chat's api would stand: its feed, which says first after which event it goes on."""

    def __init__(self) -> None:
        self.outlets: list[Outlet] = []
        self.streams = Streams(revoked=frozenset(), random=lambda: 0)
        router = APIRouter()
        router.get("/feed")(self.feed)
        self.app = create_app(title="Chat", service="chat", routers=[router])
        self.app.state.access_tokens = Callers()
        self.app.state.streams = self.streams

    async def feed(self, user: CurrentUser, streams: UseStreams, since: LastEventId) -> EventStream:
        @asynccontextmanager
        async def source(outlet: Outlet) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
            self.outlets.append(outlet)
            yield self.after(since)
            self.outlets.remove(outlet)

        return EventStream(streams, user, source)

    async def after(self, since: str | None) -> AsyncIterator[StreamEvent]:
        yield StreamEvent(encode(f"after {since}"))


@pytest.fixture
async def chat(gateway_stack: Stack) -> AsyncGenerator[Chat]:
    chat = Chat()
    serving = Serving([Listener("public", chat.app, HOST, gateway_stack.ports["chat-api"])])
    await serving.start()
    yield chat
    chat.streams.leave()
    await serving.stop(within_seconds=5)


@asynccontextmanager
async def listening(gateway: httpx.AsyncClient) -> AsyncGenerator[httpx.Response]:
    headers = signed_in(new_id()) | {"Last-Event-ID": "17", "Accept-Encoding": "gzip"}
    async with gateway.stream("GET", "/api/v1/chat/feed", headers=headers) as response:
        yield response


class TestAStreamThroughTheGateway:
    async def test_passes_on_each_event_when_it_comes_and_resumes(
        self, gateway: httpx.AsyncClient, chat: Chat
    ):
        async with listening(gateway) as response:
            lines = response.aiter_lines()
            assert [await anext(lines) for _ in range(3)] == ["retry: 1000", "", "data: after 17"]
            for number in ("1", "2"):
                chat.outlets[0].put(StreamEvent(encode(number)))

                assert [await anext(lines) for _ in range(2)] == ["", f"data: {number}"]
        assert "content-encoding" not in response.headers

    async def test_is_let_go_when_the_caller_is_gone(self, gateway: httpx.AsyncClient, chat: Chat):
        async with listening(gateway):
            await eventually(lambda: chat.outlets)

        await eventually(lambda: len(chat.streams) == 0)

    async def test_tells_the_caller_why_it_ends(self, gateway: httpx.AsyncClient, chat: Chat):
        async with listening(gateway) as response:
            await eventually(lambda: chat.outlets)
            chat.streams.leave()

            async with asyncio.timeout(10):
                assert (await response.aread()).endswith(b'event: reconnect\ndata: {"reason": "leaving"}\n\n')
