import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from auth_service.domain.errors import hashing_busy
from auth_service.domain.passwords import Checked, Passwords

T = TypeVar("T")


_NICENESS = 10


def _let_others_first() -> None:
    """Of a core that is shared, requests that hash nothing get more; on Linux each thread has a niceness."""
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS)


class Hashing:
    """Hashes off the event loop, a bounded number at once; a full queue is refused, not joined."""

    def __init__(self, passwords: Passwords, *, at_once: int, waiting: int) -> None:
        self._passwords = passwords
        self._threads = ThreadPoolExecutor(
            at_once, thread_name_prefix="hashing", initializer=_let_others_first
        )
        self._most = at_once + waiting
        self._taken = 0

    async def hash(self, password: str) -> str:
        return await self._run(self._passwords.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        return await self._run(self._passwords.matches, password, stored)

    async def check(self, password: str, stored: str | None) -> Checked:
        """As `matches`; a right password is hashed anew where that is due, in the same place of the queue."""
        return await self._run(self._passwords.check, password, stored)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        if self._taken >= self._most:
            raise hashing_busy()
        loop = asyncio.get_running_loop()
        self._taken += 1
        future = self._threads.submit(work, *args)
        # A caller who went away frees the place only when the thread is done with the work.
        future.add_done_callback(lambda _: self._free_soon(loop))
        return await asyncio.wrap_future(future)

    def _free_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._free)

    def _free(self) -> None:
        self._taken -= 1
