import os
import threading

from auth_service.domain.errors import hashing_busy
from auth_service.domain.passwords import Checked, Passwords
from common.bounded_threads import BoundedThreads

_NICENESS = 10


def _let_others_first() -> None:
    """Of a core that is shared, requests that hash nothing get more; on Linux each thread has a niceness."""
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS)


class Hashing:
    """Hashes off the event loop, a bounded number at once; a full queue is refused, not joined."""

    def __init__(self, passwords: Passwords, *, at_once: int, waiting: int) -> None:
        self._passwords = passwords
        self._threads = BoundedThreads(
            "hashing", at_once=at_once, waiting=waiting, busy=hashing_busy, begin=_let_others_first
        )

    async def hash(self, password: str) -> str:
        return await self._threads.run(self._passwords.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        return await self._threads.run(self._passwords.matches, password, stored)

    async def check(self, password: str, stored: str | None) -> Checked:
        """As `matches`; a right password is hashed anew where that is due, in the same place of the queue."""
        return await self._threads.run(self._passwords.check, password, stored)

    def close(self) -> None:
        self._threads.close()
