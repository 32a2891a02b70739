"""Our own pool: a place for each connection, given on in the order of asking (ADR 0012)."""

import asyncio
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import unavailable
from common.postgres.checkouts import Checkouts
from common.postgres.connection import ContextConnection

T = TypeVar("T")

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Pooled:
    """One connection to the server in both its forms."""

    connection: AsyncConnection
    driver: ContextConnection
    opened_at: float = field(default_factory=time.monotonic)


class WaitingTimes:
    """How long those who asked for a place waited, by the bounds of a histogram."""

    BOUNDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)

    def __init__(self) -> None:
        self.counts = [0] * (len(self.BOUNDS) + 1)
        self.waits = 0
        self.seconds = 0.0

    def none(self) -> None:
        self.counts[0] += 1

    def ended(self, seconds: float) -> None:
        self.counts[bisect_left(self.BOUNDS, seconds)] += 1
        self.waits += 1
        self.seconds += seconds


class Pool:
    """Keeps at most `size` connections; `overflow` more are opened when all are in use, and closed after it.

    Idle ones are taken newest first, so that the rest grow old and go.
    """

    def __init__(
        self,
        open_one: Callable[[], Coroutine[Any, Any, Pooled]],
        *,
        size: int,
        wait_seconds: float,
        recycle_seconds: float,
        overflow: int = 0,
        long_checkout_seconds: float = 5.0,
    ) -> None:
        self.size: Final = size
        self.capacity: Final = size + overflow
        self.checked_out = 0
        """Places that are taken, by connections in use and by those that are being opened."""
        self.opened = 0
        self.waiting_times: Final = WaitingTimes()
        self.checkouts: Final[Checkouts[Pooled]] = Checkouts(long_checkout_seconds)
        self._open_one = open_one
        self._wait_seconds = wait_seconds
        self._recycle_seconds = recycle_seconds
        self._idle: list[Pooled] = []
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._promised = 0
        """Places that were given to waiters who have not run yet: an idle connection is meant for each."""
        self._background: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    @property
    def waits(self) -> int:
        return self.waiting_times.waits

    @property
    def overflow(self) -> int:
        """How many places are taken beyond the size."""
        return max(0, self.checked_out - self.size)

    async def take(self) -> Pooled:
        await self._take_place()
        while self._idle:
            pooled = self._idle.pop()
            if self._usable(pooled):
                break
            self._discard(pooled)
        else:
            pooled = await self._open_into_place()
        self.checkouts.begin(pooled)
        return pooled

    async def renew(self, dead: Pooled) -> Pooled:
        """A new connection in the place of a dead one; the idle ones are as old as it and go too."""
        self.checkouts.end(dead)
        self._discard(dead)
        self._discard_idle()
        pooled = await self._open_into_place()
        self.checkouts.begin(pooled)
        return pooled

    def give_back(self, pooled: Pooled) -> None:
        """Never waits, so that it can be called wherever a transaction ends, cancellation included."""
        self.checkouts.end(pooled)
        self._put_back(pooled)

    async def close(self) -> None:
        """Idle connections are closed now, those in use when they come back."""
        self._closed = True
        self.checkouts.close()
        self._discard_idle()
        while self._background:
            await asyncio.wait(self._background)

    def in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Goes on when the one who waits for it is cancelled; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _put_back(self, pooled: Pooled) -> None:
        there = self.checked_out - self._promised + len(self._idle)
        wanted = bool(self._waiters) or there <= self.size
        if wanted and self._usable(pooled):
            self._idle.append(pooled)
        else:
            self._discard(pooled)
        self._leave_place()

    def _usable(self, pooled: Pooled) -> bool:
        return not (
            self._closed
            or pooled.driver.is_closed()
            or time.monotonic() - pooled.opened_at > self._recycle_seconds
        )

    async def _take_place(self) -> None:
        if self._closed:
            raise unavailable("database.closed", "This process is stopping.")
        if self.checked_out < self.capacity:
            self.checked_out += 1
            self.waiting_times.none()
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await waiter
            self._promised -= 1
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                # the place came in the same moment: it goes to the next
                self._promised -= 1
                self._leave_place()
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                raise unavailable(
                    "database.pool_exhausted", "All connections to the database are in use."
                ) from None
            raise
        finally:
            self.waiting_times.ended(time.monotonic() - began)

    def _leave_place(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._promised += 1
                waiter.set_result(None)
                return
        self.checked_out -= 1

    async def _open_into_place(self) -> Pooled:
        # a cancelled caller does not interrupt the handshake: what it opens stays for the next one
        opening = self.in_background(self._open_one())
        try:
            pooled = await asyncio.shield(opening)
        except BaseException:
            opening.add_done_callback(self._keep_what_was_opened)
            raise
        self.opened += 1
        return pooled

    def _keep_what_was_opened(self, opening: asyncio.Task[Pooled]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self.opened += 1
            self._put_back(opening.result())
        else:
            self._leave_place()

    def _discard_idle(self) -> None:
        while self._idle:
            self._discard(self._idle.pop())

    def _discard(self, pooled: Pooled) -> None:
        self.in_background(self._close_one(pooled))

    async def _close_one(self, pooled: Pooled) -> None:
        try:
            if not pooled.driver.is_closed() and pooled.driver.is_in_transaction():
                pooled.driver.terminate()
            await pooled.connection.close()
        except Exception as error:  # noqa: BLE001 - it was to go, and it is gone
            _log.info("database.close_failed", error=type(error).__name__)
            pooled.driver.terminate()
