"""One connection: who is on it, and how it ends when the process leaves."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from common.errors import Kind, QuartetError
from common.problems import MEDIA_TYPE, encode, problem

HANG_UP_SECONDS = 0.5
"""How long an idle caller gets to answer a goodbye. Idle TLS clients do not read, so they never do."""

PEER = "quartet.peer"
"""In the scope: the common name in the client's certificate, which the installation's authority signed."""


HANG_UP = "quartet.hang_up"
"""In the scope: ends the connection without waiting for a caller who does not read."""

MOST_HEAD_BYTES = 65_536
"""Of a request's line and headers together; the parser itself would collect them without end."""
HEAD_SECONDS = 20.0
"""Until they are complete, from the connection or, on one that was kept, from their first byte."""


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


class Connection(HttpToolsProtocol):
    server_state: Connections
    _peer: str | None = None
    _head_bytes: int | None = 0
    """Of the head that is coming in, at least; None once it is complete."""
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        certificate = cast("dict[str, Any] | None", transport.get_extra_info("peercert"))
        self._peer = common_name(certificate) if certificate else None
        self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)
        if self.server_state.closed:
            # Accepted just before the listener closed: what was asked already is still answered.
            self.loop.call_later(HANG_UP_SECONDS, self.shutdown)

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is None:
            return
        if self._head_bytes > MOST_HEAD_BYTES:
            self.send_400_response("")
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._head_bytes or 1
        self.scope[PEER] = self._peer  # type: ignore[typeddict-unknown-key] - ours
        self.scope[HANG_UP] = self.transport.abort  # type: ignore[typeddict-unknown-key] - ours

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._in_time()
        super().on_headers_complete()
        if self.server_state.leaving:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """What is no HTTP gets the same kind of answer as everything else; nothing of it is repeated."""
        error = QuartetError("http.malformed", "This is no HTTP request.", kind=Kind.MALFORMED)
        body = encode(problem(error, instance="", request_id=""))
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[400] + head.encode() + body)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)
        self.server_state.changed()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        """Whoever sends a byte now and then would keep a connection for ever."""
        self._late = None
        if self._head_bytes:
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
