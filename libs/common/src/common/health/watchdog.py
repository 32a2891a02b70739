"""Whether to restart this process: its loop turns, its tasks live, its partitions move. Nothing outside."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from common.health.checks import Checks, Severity, Unwell, immediate

_log = structlog.get_logger("watchdog")
_LAG = Gauge("quartet_loop_lag_seconds", "How late the event loop was at its last tick.")

TICK_SECONDS = 0.5
MOST_LAG_SECONDS = 5.0
STUCK_SECONDS = 120.0
"""Longer than any handler may take with all of its retries: lagging is not stuck."""

Positions = Callable[[], Mapping[str, tuple[int, int]]]
"""For each partition that is held: the position that was reached, and the end that is known."""


@dataclass
class _Mark:
    position: int
    since: float


class Progress:
    """A partition is stuck when there is something to do and its position has not moved for too long."""

    def __init__(self, positions: Positions, *, stuck_seconds: float = STUCK_SECONDS) -> None:
        self._positions = positions
        self._stuck = stuck_seconds
        self._marks: dict[str, _Mark] = {}

    def observe(self, now: float) -> None:
        held = self._positions()
        for partition in self._marks.keys() - held.keys():
            del self._marks[partition]
        for partition, (position, end) in held.items():
            mark = self._marks.get(partition)
            if mark is None or mark.position != position or position >= end:
                self._marks[partition] = _Mark(position, now)

    def stuck(self, now: float) -> tuple[str, ...]:
        return tuple(sorted(name for name, mark in self._marks.items() if now - mark.since > self._stuck))


class Watchdog:
    def __init__(
        self, *, most_lag_seconds: float = MOST_LAG_SECONDS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_lag = most_lag_seconds
        self._now = now
        self._ticked_at = now()
        self._lag = 0.0
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self._ended_by_themselves: set[str] = set()
        self._progress: list[Progress] = []
        self._leaving = False

    def supervise(self, name: str, task: asyncio.Task[object]) -> None:
        """The task should live as long as the process: an end of any kind makes the process not live."""
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))

    def watch(self, progress: Progress) -> None:
        self._progress.append(progress)

    def leaving(self) -> None:
        """From now on tasks end because they were told to; one that ended before stays ended."""
        self._leaving = True

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            asked_at = self._now()
            try:
                await asyncio.wait_for(stop.wait(), timeout=TICK_SECONDS)
            except TimeoutError:
                self.tick(late_seconds=self._now() - asked_at - TICK_SECONDS)

    def tick(self, *, late_seconds: float = 0.0) -> None:
        self._ticked_at = self._now()
        self._lag = max(0.0, late_seconds)
        _LAG.set(self._lag)
        for progress in self._progress:
            progress.observe(self._ticked_at)

    def checks(self) -> Checks:
        return Checks(
            (
                immediate("loop", self._loop, severity=Severity.CRITICAL),
                immediate("tasks", self._tasks_alive),
                immediate("progress", self._moving),
            )
        )

    def _loop(self) -> str:
        lag = max(self._lag, self._now() - self._ticked_at - TICK_SECONDS)
        if lag > self._most_lag:
            raise Unwell(f"the event loop is {lag:.1f} s late")
        return "turning"

    def _tasks_alive(self) -> str:
        if self._ended_by_themselves:
            raise Unwell(f"ended: {', '.join(sorted(self._ended_by_themselves))}")
        return f"{sum(not task.done() for task in self._tasks.values())} alive"

    def _moving(self) -> str:
        stuck = [name for progress in self._progress for name in progress.stuck(self._now())]
        if stuck and not self._leaving:
            raise Unwell(f"stuck: {', '.join(stuck)}")
        return "moving"

    def _ended(self, name: str, task: asyncio.Task[object]) -> None:
        if self._leaving:
            return
        self._ended_by_themselves.add(name)
        error = None if task.cancelled() else task.exception()
        _log.error("task.ended", task=name, exc_info=error)
