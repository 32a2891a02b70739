"""Server-sent events: streams that can be resumed, tell why they end, and cost little while idle."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from common.errors import Kind
from common.http.connections import HANG_UP
from common.http.documented import raises
from common.http.principals import Principal
from common.http.streams import End, Outlet, StreamEvent, Streams
from common.http.validation import malformed

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
        with self._streams.outlet(self._principal, hang_up=scope[HANG_UP]) as outlet:
            # before the first byte: what fails here is still answered with a problem
            async with self._source(outlet) as past:
                gone = asyncio.create_task(_until_gone(receive, outlet))
                try:
                    await send(
                        {
                            "type": "http.response.start",
                            "status": self.status_code,
                            "headers": self.raw_headers,
                        }
                    )
                    await self._stream(send, past, outlet)
                finally:
                    gone.cancel()

    async def _stream(self, send: Send, past: AsyncIterator[StreamEvent], outlet: Outlet) -> None:
        await _send(send, outlet, b"retry: %d\n\n" % self._streams.retry_milliseconds)
        async for event in past:
            if outlet.ended is not None:
                break
            outlet.replayed(event)
            await _send(send, outlet, event.encoded)
        while (content := await outlet.take()) is not None:
            await _send(send, outlet, content)
        await _send(send, outlet, farewell(outlet.ended or "finished"), more=False)


async def _send(send: Send, outlet: Outlet, content: bytes, *, more: bool = True) -> None:
    """Waits until most of what was sent before was taken; who never takes it is hung up on."""
    now = asyncio.get_running_loop().time
    outlet.last_at, outlet.is_sending = now(), True
    await send({"type": "http.response.body", "body": content, "more_body": more})
    outlet.last_at, outlet.is_sending = now(), False


def farewell(why: End) -> bytes:
    """`end` is for good; after `reconnect` the caller comes back with `Last-Event-ID` and misses nothing."""
    return encode(f'{{"reason": "{why}"}}', name="end" if why in _FOR_GOOD else "reconnect")


async def _until_gone(receive: Receive, outlet: Outlet) -> None:
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    except HTTPException:
        # more than a body may have; of the caller's leaving nothing would be heard any more
        pass
    outlet.end("gone")


@raises(Kind.MALFORMED, "last_event_id_malformed")
@raises(Kind.TOO_MANY, "streams.too_many")
async def _last_event_id(request: Request) -> str | None:
    found = request.headers.get("last-event-id")
    if found is not None and not _ID.fullmatch(found):
        raise malformed("last_event_id_malformed", "Last-Event-ID is the id of an event of this stream.")
    return found or None


LastEventId = Annotated[str | None, Depends(_last_event_id)]
"""Of the last event that the caller has seen. No credential: look up only what the caller may see."""
