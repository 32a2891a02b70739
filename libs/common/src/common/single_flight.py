"""Callers of one process that want the same thing at the same time get it together."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from prometheus_client import Counter

from common.errors import unavailable
from common.telemetry.metrics import REGISTRY

T = TypeVar("T")

_SHARED = Counter(
    "quartet_single_flight_shared_total",
    "Callers that got the result of another caller's work.",
    registry=REGISTRY,
)


@dataclass
class _Flight:
    task: asyncio.Task[Any]
    waiting: int = 0


class SingleFlight:
    """Results and errors are shared by whoever waits, and kept for nobody."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        """Also those that nobody waits for any more, while they end."""

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Cancelling one who waits cancels nobody else; when the last one is gone the work is cancelled."""
        flight = self._flights.get(key)
        if flight is None or flight.task.done():
            flight = self._start(key, work)
        else:
            _SHARED.inc()
        flight.waiting += 1
        try:
            await asyncio.wait({flight.task})
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                # whoever comes now begins anew, while this one ends
                self._forget(key, flight)
                flight.task.cancel()
        if flight.task.cancelled():
            # by nobody who waits: to be cancelled without being told so would end a caller silently
            raise unavailable("work.cancelled", "The work was stopped before it was done.")
        return flight.task.result()

    async def close(self) -> None:
        """When everything that was begun has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> _Flight:
        async def fly() -> T:
            return await work()

        flight = _Flight(asyncio.get_running_loop().create_task(fly()))
        self._flights[key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(lambda task: self._ended(key, flight, task))
        return flight

    def _ended(self, key: Hashable, flight: _Flight, task: asyncio.Task[Any]) -> None:
        self._forget(key, flight)
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, also when the last who waited was cancelled at this very moment

    def _forget(self, key: Hashable, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
