"""The open event streams of a process: what each waits to be sent, and why each of them ends.

A connection costs memory while it does nothing, so an outlet is small and has no task and no timer of its
own: one loop beats for all of them and looks whose session ended.
"""

import asyncio
import random
from collections import Counter as Tally
from collections.abc import Callable, Container, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from prometheus_client import Counter, Gauge

from common.clock import Clock, utc_now
from common.errors import Kind, QuartetError
from common.http.principals import Principal
from common.telemetry.metrics import REGISTRY

MOST_WAITING_BYTES: Final = 131_072
"""What a caller who reads slowly may be behind; who is further behind is sent away and resumes."""
MOST_OF_A_USER: Final = 32
HEARTBEAT: Final = b":\n\n"
_HEARTBEAT_SECONDS: Final = 15.0
_STALLED_SECONDS: Final = 30.0
"""A caller who takes nothing for this long is hung up on."""
_TICK_SECONDS: Final = 0.5
_RETRY_MILLISECONDS: Final = (1_000, 4_000)
"""Callers come back spread over this: all of a process' at once would be the next one's flood."""

End = Literal["finished", "leaving", "expired", "revoked", "too_slow", "gone"]
"""`finished` and `revoked` are for good, with `gone` nobody is there; after the others callers come back."""

_OPEN = Gauge("quartet_streams_open", "Event streams that are open.", registry=REGISTRY)
_ENDED = Counter(
    "quartet_streams_ended_total", "Event streams that ended, by why.", ["reason"], registry=REGISTRY
)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Encoded once for all who see it."""

    encoded: bytes
    position: int | None = None
    """Grows along the stream; what was replayed is not sent a second time when it also comes live."""


class Outlet:
    """What waits to be sent to one caller. Bounded: who does not read is sent away, not waited for."""

    __slots__ = (
        *("_beat", "_end", "_events", "_sent", "_waiter", "_waiting_bytes"),
        *("hang_up", "is_sending", "last_at", "principal"),
    )

    def __init__(self, principal: Principal, *, hang_up: Callable[[], object], now: float) -> None:
        self.principal: Final = principal
        self.hang_up: Final = hang_up
        self.is_sending = False
        self.last_at = now
        """When it last began or ended to send."""
        self._events: list[StreamEvent] = []
        self._waiting_bytes = 0
        self._sent: int | None = None
        self._beat = False
        self._end: End | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def ended(self) -> End | None:
        return self._end

    def put(self, event: StreamEvent) -> None:
        """Never waits and never grows without end."""
        if self._end is not None:
            return
        self._waiting_bytes += len(event.encoded)
        if self._waiting_bytes > MOST_WAITING_BYTES:
            self.end("too_slow")
            return
        self._events.append(event)
        self._wake()

    def beat(self) -> None:
        self._beat = True
        self._wake()

    def end(self, why: End) -> None:
        """The first reason stands. A finished stream still sends what waits, every other one drops it."""
        if self._end is None:
            self._end = why
            if why != "finished":
                self._events.clear()
            self._wake()

    def replayed(self, event: StreamEvent) -> None:
        self._remember(event)

    async def take(self) -> bytes | None:
        """All that waits, in one piece; None when the stream is over."""
        while True:
            if content := self._waiting():
                return content
            if self._end is not None:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _waiting(self) -> bytes:
        events, self._events = self._events, []
        self._waiting_bytes = 0
        content = b"".join([event.encoded for event in events if self._remember(event)])
        beat, self._beat = self._beat, False
        return content or (HEARTBEAT if beat and self._end is None else b"")

    def _remember(self, event: StreamEvent) -> bool:
        """False for what was sent before."""
        if event.position is None:
            return True
        if self._sent is not None and event.position <= self._sent:
            return False
        self._sent = event.position
        return True

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Streams:
    """A stream ends with its session, with the token that opened it, and with the process."""

    def __init__(
        self,
        *,
        revoked: Container[UUID],
        clock: Clock = utc_now,
        heartbeat_seconds: float = _HEARTBEAT_SECONDS,
        stalled_seconds: float = _STALLED_SECONDS,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._revoked = revoked
        self._clock = clock
        self._heartbeat = heartbeat_seconds
        self._stalled = stalled_seconds
        self._random = random
        self._open: set[Outlet] = set()
        self._of_user: Tally[UUID] = Tally()
        self._leaving = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def retry_milliseconds(self) -> int:
        """How long the next caller shall wait before coming back."""
        shortest, longest = _RETRY_MILLISECONDS
        return round(shortest + self._random() * (longest - shortest))

    @contextmanager
    def outlet(self, principal: Principal, *, hang_up: Callable[[], object]) -> Generator[Outlet]:
        """Counted as open inside of the block; `hang_up` ends a connection whose caller takes nothing."""
        user_id = principal.user_id
        if self._of_user[user_id] >= MOST_OF_A_USER:
            raise QuartetError(
                "streams.too_many",
                "You have too many streams open.",
                kind=Kind.TOO_MANY,
                retry_after_seconds=5,
            )
        outlet = Outlet(principal, hang_up=hang_up, now=asyncio.get_running_loop().time())
        self._open.add(outlet)
        self._of_user[user_id] += 1
        _OPEN.inc()
        try:
            if self._leaving:
                outlet.end("leaving")
            yield outlet
        finally:
            outlet.end("gone")
            _ENDED.labels(outlet.ended).inc()
            _OPEN.dec()
            self._open.discard(outlet)
            self._of_user[user_id] -= 1
            if not self._of_user[user_id]:
                del self._of_user[user_id]

    def leave(self) -> None:
        """Tells everybody to come back elsewhere; whoever comes now hears it at once."""
        self._leaving = True
        for outlet in self._open:
            outlet.end("leaving")

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), timeout=_TICK_SECONDS)
            except TimeoutError:
                self.tick(asyncio.get_running_loop().time(), self._clock())

    def tick(self, now: float, moment: datetime) -> None:
        for outlet in self._open:
            principal = outlet.principal
            if principal.session_id is not None and principal.session_id in self._revoked:
                outlet.end("revoked")
            elif moment >= principal.expires_at:
                outlet.end("expired")
            quiet = now - outlet.last_at
            if outlet.is_sending:
                if quiet >= self._stalled:
                    outlet.hang_up()
            elif quiet >= self._heartbeat:
                outlet.last_at = now
                outlet.beat()
