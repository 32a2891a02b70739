import asyncio
import os
import threading

from auth_service.domain.passwords import HashingCost, Passwords
from auth_service.usecases.hashing import Hashing

CHEAP = HashingCost(memory_kib=64, passes=1)


class Noting(Passwords):
    niceness: int | None = None

    def hash(self, password: str) -> str:
        self.niceness = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return super().hash(password)


class TestHashing:
    async def test_leaves_the_processor_to_the_loop_first(self):
        passwords = Noting(CHEAP)
        hashing = Hashing(passwords, at_once=1, waiting=1)
        try:
            await hashing.hash("correct horse battery")
        finally:
            await asyncio.to_thread(hashing.close)

        assert passwords.niceness == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
