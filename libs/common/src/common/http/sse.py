"""Server-sent events: streams that can be resumed, tell why they end, and cost little while idle."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Final

import structlog
from fastapi import Depends, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from common.http.connections import HANG_UP
from common.http.principals import Principal
from common.http.streams import End, Outlet, StreamEvent, Streams
from common.http.validation import malformed

_log = structlog.get_logger("streams")

STALLED_SECONDS: Final = 30.0
"""A caller who takes nothing for this long is hung up on."""
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_HEADERS: Final[Mapping[str, str]] = {
    # no-transform and the last: nothing on the way may gather events, or compress what is sent piece by piece
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}
_FOR_GOOD: Final = frozenset({"finished", "revoked"})

Source = Callable[[Outlet], AbstractAsyncContextManager[AsyncIterator[StreamEvent]]]
"""Subscribes the outlet to what comes, then gives what was before, from storage; that is sent first."""


def encode(data: str, *, event_id: str | None = None, name: str | None = None) -> bytes:
    """One event as it is sent. `event_id` is what the caller gives back to resume after it."""
    lines: list[str] = []
    for field, value in (("event", name), ("id", event_id)):
        if value is not None:
            if not _ID.fullmatch(value):
                raise ValueError(f"{field} of an event is 1 to 256 visible ASCII characters: {value!r}")
            lines.append(f"{field}: {value}")
    lines += [f"data: {line}" for line in _LINE_ENDS.split(data)]
    return "\n".join([*lines, "", ""]).encode()


class EventStream(Response):
    """Sends what `source` has of the past, then what is put into its outlet, until that ends."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, principal: Principal, source: Source) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._streams = streams
        self._principal = principal
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.outlet(self._principal) as outlet:
            # before the first byte: what fails here is still answered with a problem
            async with self._source(outlet) as past:
                gone = asyncio.create_task(_until_gone(receive, outlet))
                try:
                    await self._stream(_Sending(send, outlet), past, outlet)
                except TimeoutError:
                    _log.info("stream.stalled", seconds=STALLED_SECONDS)
                    outlet.end("gone")
                    hang_up: Callable[[], object] = scope[HANG_UP]
                    hang_up()
                    await gone
                finally:
                    gone.cancel()

    async def _stream(self, sending: "_Sending", past: AsyncIterator[StreamEvent], outlet: Outlet) -> None:
        await sending.begin(self.status_code, self.raw_headers)
        retry = self._streams.retry_milliseconds
        await sending.body(b"retry: %d\n\n" % retry)
        async for event in past:
            if outlet.ended is not None:
                break
            outlet.replayed(event)
            await sending.body(event.encoded)
        while (content := await outlet.take()) is not None:
            await sending.body(content)
        await sending.body(farewell(outlet.ended or "finished"), more=False)


def farewell(why: End) -> bytes:
    """`end` is for good; after `reconnect` the caller comes back with `Last-Event-ID` and misses nothing."""
    return encode(f'{{"reason": "{why}"}}', name="end" if why in _FOR_GOOD else "reconnect")


class _Sending:
    """Waits for the caller's side to take what was sent before, but not for ever."""

    __slots__ = ("_loop", "_outlet", "_send")

    def __init__(self, send: Send, outlet: Outlet) -> None:
        self._send = send
        self._outlet = outlet
        self._loop = asyncio.get_running_loop()

    async def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, content: bytes, *, more: bool = True) -> None:
        async with asyncio.timeout(STALLED_SECONDS):
            await self._send({"type": "http.response.body", "body": content, "more_body": more})
        self._outlet.last_sent_at = self._loop.time()


async def _until_gone(receive: Receive, outlet: Outlet) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    outlet.end("gone")


async def _last_event_id(request: Request) -> str | None:
    found = request.headers.get("last-event-id")
    if found is not None and not _ID.fullmatch(found):
        raise malformed("last_event_id_malformed", "Last-Event-ID is the id of an event of this stream.")
    return found or None


LastEventId = Annotated[str | None, Depends(_last_event_id)]
"""Of the last event that the caller has seen. No credential: look up only what the caller may see."""
