"""Work that would hold up the event loop, beside it: a bounded number at once, a bounded number waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from common.errors import QuartetError

T = TypeVar("T")
P = ParamSpec("P")


class BoundedThreads:
    """A full queue is refused, not joined."""

    def __init__(
        self,
        name: str,
        *,
        at_once: int,
        waiting: int,
        busy: Callable[[], QuartetError],
        begin: Callable[[], None] | None = None,
    ) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name, initializer=begin)
        self._most = at_once + waiting
        self._taken = 0
        self._busy = busy

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._taken >= self._most:
            raise self._busy()
        loop = asyncio.get_running_loop()
        self._taken += 1
        future = self._threads.submit(work, *args, **kwargs)
        # a caller who went away frees the place only when the thread is done with the work
        future.add_done_callback(lambda _: self._free_soon(loop))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _free_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._free)

    def _free(self) -> None:
        self._taken -= 1
