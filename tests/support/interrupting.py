"""Cancels a coroutine at a chosen place where it waits."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any


class CancelledAt:
    """Runs a coroutine and cancels its task when it waits for the `step`th time, and so often in a row."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], step: int, *, times: int = 1) -> None:
        self._coroutine = coroutine
        self._steps = range(step, step + times)
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._coroutine.__await__()
        resume: Callable[[], Any] = partial(inner.send, None)
        while True:
            try:
                awaited = resume()
            except StopIteration as finished:
                return finished.value
            self.waits += 1
            if self.waits in self._steps:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001 - handed on to the coroutine
                resume = partial(inner.throw, error)
            else:
                resume = partial(inner.send, None)

    async def run(self) -> bool:
        """False when it ended before it could be cancelled."""

        async def awaiting() -> None:
            await self

        task = asyncio.create_task(awaiting())
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        return task.cancelled()
