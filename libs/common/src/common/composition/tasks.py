import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from common.health.drain import Drain
from common.health.watchdog import Watchdog

_log = structlog.get_logger("tasks")


@dataclass(frozen=True)
class _Running:
    task: asyncio.Task[None]
    stop: asyncio.Event


class Tasks:
    """What runs as long as the process does. One that ends by itself takes the process with it, in order."""

    def __init__(self, watchdog: Watchdog, drain: Drain) -> None:
        self._watchdog = watchdog
        self._drain = drain
        self._running: dict[str, _Running] = {}
        self.failed = False

    def start(self, name: str, run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        stop = asyncio.Event()

        async def until_told() -> None:
            await run(stop)

        task = asyncio.create_task(until_told(), name=name)
        self._running[name] = _Running(task, stop)
        self._watchdog.supervise(name, task)
        task.add_done_callback(lambda _: self._ended(name))

    async def stop(self, *names: str) -> None:
        """Tells them to end and waits until they have; whoever waits for this bounds the time."""
        chosen = [self._running[name] for name in names if name in self._running]
        for running in chosen:
            running.stop.set()
        try:
            await asyncio.gather(*(running.task for running in chosen), return_exceptions=True)
        finally:
            for running in chosen:
                running.task.cancel()

    async def stop_all(self) -> None:
        await self.stop(*self._running)

    def _ended(self, name: str) -> None:
        if self._drain.draining or self._running[name].stop.is_set():
            return
        # Whoever supervises the process starts it anew; half a process would look alive and do nothing.
        self.failed = True
        _log.error("tasks.ended_by_itself", task=name)
        self._drain.begin(f"{name} ended by itself")
