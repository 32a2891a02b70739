"""One connection: who is on it, and how it ends when the process leaves."""

import asyncio
import enum
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from common.errors import Kind, QuartetError
from common.http.gathered import GatheredWrites
from common.problems import MEDIA_TYPE, encode, problem

HANG_UP_SECONDS = 0.5
"""How long an idle caller gets to answer a goodbye. Idle TLS clients do not read, so they never do."""

PEER = "quartet.peer"
"""In the scope: the common name in the client's certificate, which the installation's authority signed."""


HANG_UP = "quartet.hang_up"
"""In the scope: ends the connection without waiting for a caller who does not read."""

MOST_HEAD_BYTES = 65_536
"""Of a request's line and headers, and of what follows a body: the parser would collect without end."""
HEAD_SECONDS = 20.0
"""Until a head is complete, from the connection or, on one that was kept, from its first byte; and for the
rest of a body that was answered already."""


class Connections(ServerState):
    """Shared by the connections of one listener."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving = False
        """Answers say `Connection: close`."""
        self.closed = False
        """Nobody new is accepted."""
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def finished(self, *, within_seconds: float) -> None:
        """Returns when no connection and no request is left, or when the time is over."""
        deadline = asyncio.get_running_loop().time() + within_seconds
        while self.connections or self.tasks:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            self._changed.clear()
            try:
                # Tasks end without telling; a look every 50 ms costs nothing for the seconds of a drain.
                await asyncio.wait_for(self._changed.wait(), timeout=min(left, 0.05))
            except TimeoutError:
                continue


class _Stage(enum.Enum):
    """What of a request is coming in."""

    NOTHING = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class Connection(HttpToolsProtocol):
    server_state: Connections
    _peer: str | None = None
    _stage = _Stage.NOTHING
    _useless_bytes = 0
    """Came in since the last complete head and the last byte of a body, at least."""
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(GatheredWrites(cast("asyncio.Transport", transport)))
        certificate = cast("dict[str, Any] | None", transport.get_extra_info("peercert"))
        self._peer = common_name(certificate) if certificate else None
        self._be_in_time()
        if self.server_state.closed:
            # Accepted just before the listener closed: what was asked already is still answered.
            self.loop.call_later(HANG_UP_SECONDS, self.shutdown)

    def data_received(self, data: bytes) -> None:
        self._useless_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._useless_bytes > MOST_HEAD_BYTES:
            self.send_400_response("")
        elif self._stage is _Stage.HEAD:
            self._be_in_time()
        elif self._is_answered():
            # the bytes ended the wait for the next request, and were none
            self._wait_for_more()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._stage = _Stage.HEAD
        self.scope[PEER] = self._peer  # type: ignore[typeddict-unknown-key] - ours
        self.scope[HANG_UP] = self.transport.abort  # type: ignore[typeddict-unknown-key] - ours

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field after the body is dropped: it would be a header that no gateway has looked at."""
        if self._stage is _Stage.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stage, self._useless_bytes = _Stage.BODY, 0
        self._in_time()
        super().on_headers_complete()
        if self.server_state.leaving:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._useless_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stage, self._useless_bytes = _Stage.NOTHING, 0
        self._in_time()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """What is no HTTP gets the same kind of answer as everything else; nothing of it is repeated."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or not cycle.response_started or cycle.response_complete:
            error = QuartetError("http.malformed", "This is no HTTP request.", kind=Kind.MALFORMED)
            body = encode(problem(error, instance="", request_id=""))
            head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[400] + head.encode() + body)
        # in the midst of an answer it would be read as a part of it
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)
        self.server_state.changed()

    def _is_answered(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and cycle.response_complete

    def _wait_for_more(self) -> None:
        """For the rest of a body that nobody wants any more, or for the next request."""
        self._unset_keepalive_if_required()
        if self._stage is _Stage.BODY:
            self._be_in_time()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _be_in_time(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        """Whoever sends a byte now and then would keep a connection for ever."""
        self._late = None
        if self._stage is _Stage.HEAD:
            self.send_400_response("")
        else:
            self.transport.close()

    def shutdown(self) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
            return
        flushed = self.transport.get_write_buffer_size() == 0
        self.transport.close()
        # A slow reader still gets the end of its answer; somebody idle is not waited for.
        if flushed:
            self.loop.call_later(HANG_UP_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        if self in self.connections:
            self.transport.abort()


def common_name(certificate: dict[str, Any]) -> str | None:
    """None unless there is exactly one: two names would let a certificate be read as either."""
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return names[0] if len(names) == 1 else None
