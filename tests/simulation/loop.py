"""The event loop of one simulated process: first come, first served; the world says when it may go on."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol

_numbers = count()
_END_OF_SLEEP = asyncio.futures._set_result_unless_cancelled


class Clock(Protocol):
    now: float


class _Numbered:
    """Sets of them come in the order in which they were first in one: a seed means the same every time."""

    _number: int | None = None

    def __hash__(self) -> int:
        if self._number is None:
            self._number = next(_numbers)
        return self._number


class SimulatedTask(_Numbered, asyncio.Task[Any]):
    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], *, context: Context | None = None, **options: Any
    ) -> None:
        self._kept = copy_context() if context is None else context
        super().__init__(coroutine, context=self._kept, **options)

    def kill(self) -> None:
        self._kept.run(_close, self.get_coro())
        self._log_destroy_pending = False


class SimulatedFuture(_Numbered, asyncio.Future[Any]):
    pass


class Handle:
    """asyncio's own takes three times as long to make, and there are hundreds in every schedule."""

    __slots__ = ("args", "callback", "context", "dropped")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> None:
        self.callback = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self.dropped = False

    def cancel(self) -> None:
        self.dropped = True

    def cancelled(self) -> bool:
        return self.dropped


class SimulatedLoop(asyncio.AbstractEventLoop):
    def __init__(self, clock: Clock, died: Callable[[BaseException], None]) -> None:
        self._clock = clock
        self._died = died
        self.ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        # asyncio.all_tasks looks through the tasks of every schedule that is not collected yet
        self._tasks: list[SimulatedTask] = []
        self._dead = False

    def time(self) -> float:
        return self._clock.now

    def next_timer(self) -> float | None:
        timers = self._timers
        while timers and timers[0][2].dropped:
            heappop(timers)
        return timers[0][0] if timers else None

    def wake(self) -> None:
        """Timers that are due become ready."""
        now, timers = self._clock.now, self._timers
        due: list[Handle] = []
        while timers and timers[0][0] <= now:
            handle = heappop(timers)[2]
            if not handle.dropped:
                due.append(handle)
        if len(due) == 1 and not self.ready and due[0].callback is _END_OF_SLEEP:
            # alone it decides nothing: whoever slept is what takes the step
            due[0].callback(*due[0].args)
        else:
            self.ready.extend(due)

    def run_one(self) -> None:
        """The world has made this the running loop."""
        handle = self.ready.popleft()
        if handle.dropped:
            return
        try:
            handle.context.run(handle.callback, *handle.args)
        except Exception as error:  # noqa: BLE001 - told as any loop tells it
            self.call_exception_handler({"exception": error})

    def kill(self) -> None:
        """Ends every task as a kill does: nothing that it would do on its way out has an effect."""
        self._dead = True
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            for task in self._tasks:
                if not task.done():
                    task.kill()
        finally:
            asyncio._set_running_loop(before)
        self.ready.clear()
        self._timers.clear()
        self._tasks.clear()

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        handle = Handle(callback, args, context)
        if not self._dead:
            self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self._clock.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        handle = Handle(callback, args, context)
        heappush(self._timers, (when, next(_numbers), handle))
        return handle

    def create_task(self, coro: Any, **options: Any) -> Any:
        name = options.pop("name", None)
        context = options.pop("context", None)
        task = SimulatedTask(coro, loop=self, name=name, context=context)
        if self._dead:
            task.kill()
        else:
            self._tasks.append(task)
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


def _close(coroutine: Any) -> None:
    for _ in range(20):
        try:
            coroutine.close()
        except RuntimeError:  # it waits for something even now
            continue
        except BaseException:  # noqa: BLE001 - whatever it raises, it is gone
            return
        return
