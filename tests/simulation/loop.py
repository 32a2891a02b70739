"""The event loop of one simulated process: first come, first served; the world says when it may go on."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from itertools import count
from typing import Any

_numbers = count()


class _Numbered:
    """Sets of them come in the order of their making, so that a seed means the same every time."""

    _number: int

    def __hash__(self) -> int:
        return self._number


class SimulatedTask(_Numbered, asyncio.Task[Any]):
    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], *, context: Context | None = None, **options: Any
    ) -> None:
        self._number = next(_numbers)
        self._kept = copy_context() if context is None else context
        super().__init__(coroutine, context=self._kept, **options)

    def kill(self) -> None:
        self._kept.run(_close, self.get_coro())
        self._log_destroy_pending = False


class SimulatedFuture(_Numbered, asyncio.Future[Any]):
    def __init__(self, **options: Any) -> None:
        self._number = next(_numbers)
        super().__init__(**options)


class SimulatedLoop(asyncio.AbstractEventLoop):
    def __init__(self, clock: Callable[[], float], died: Callable[[BaseException], None]) -> None:
        self._clock = clock
        self._died = died
        self.ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._dead = False

    def time(self) -> float:
        return self._clock()

    def next_timer(self) -> float | None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def wake(self) -> None:
        """Timers that are due become ready."""
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            handle = heapq.heappop(self._timers)[2]
            if not handle.cancelled():
                self.ready.append(handle)

    def run_one(self) -> None:
        handle = self.ready.popleft()
        if handle.cancelled():
            return
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(None)

    def kill(self) -> None:
        """Ends every task as a kill does: nothing that it would do on its way out has an effect."""
        self._dead = True
        asyncio._set_running_loop(self)
        try:
            for task in asyncio.all_tasks(self):
                task.kill()
        finally:
            asyncio._set_running_loop(None)
        self.ready.clear()
        self._timers.clear()

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self._dead:
            self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._clock() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(_numbers), handle))
        return handle

    def create_task(self, coro: Any, **options: Any) -> Any:
        name = options.pop("name", None)
        context = options.pop("context", None)
        task = SimulatedTask(coro, loop=self, name=name, context=context)
        if self._dead:
            task.kill()
        return task

    def create_future(self) -> Any:
        return SimulatedFuture(loop=self)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # what failed in the moment of a crash has nobody left who could have looked at it
        if error is not None and not self._dead:
            self._died(error)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass


def _close(coroutine: Any) -> None:
    for _ in range(20):
        try:
            coroutine.close()
        except RuntimeError:  # it waits for something even now
            continue
        except BaseException:  # noqa: BLE001 - whatever it raises, it is gone
            return
        return
