"""Questions to Redis that nobody waits for longer than they are worth."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from common.locks.circuit import Circuit
from common.locks.metrics import SKIPS
from common.locks.script import Answer, Keys, Question, put

_LOG = structlog.get_logger("locks")
_LONGEST_SECONDS = 1.0
"""How long a question goes on when nobody waits for it any more; what it took is released after it."""
_MOST_ASKING = 8
"""So many connections carry every question of a process; a crowd that opened one each would wait for that."""
_MOST_LISTENING = 16
"""Each one who waits to be woken takes a connection of its own; the others look again from time to time."""
POLL_SECONDS = 0.5
"""A wake-up can be lost with whoever received it."""


class Asking:
    """Redis as locks see it: never an error, and never a wait beyond `patience_seconds`."""

    def __init__(self, redis: Redis, *, patience_seconds: float, now: Callable[[], float]) -> None:
        self._redis = redis
        self.patience_seconds = patience_seconds
        self._now = now
        self._circuit = Circuit()
        self._places = asyncio.Semaphore(_MOST_ASKING)
        self._listening = asyncio.Semaphore(_MOST_LISTENING)
        self._background: set[asyncio.Task[Any]] = set()
        self._keepers: set[asyncio.Task[None]] = set()

    def may_ask(self) -> bool:
        """Once for each question: when the circuit tries again, it lets one through."""
        if self._circuit.allows(self._now()):
            return True
        SKIPS.labels("open").inc()
        return False

    def send(self, question: Question, keys: Keys, *, owner: str, ttl_seconds: float) -> asyncio.Task[Answer]:
        """Goes on when its sender is cancelled: what was asked has an answer in the end, or none in time."""
        return self.in_background(self._put(question, keys, owner=owner, ttl_seconds=ttl_seconds))

    async def answer(self, sent: asyncio.Task[Answer]) -> Answer | None:
        """None: too late, or an error. Neither is the caller's business."""
        await asyncio.wait({sent}, timeout=self.patience_seconds)
        error = sent.exception() if sent.done() else None
        if sent.done() and error is None:
            self._circuit.succeeded()
            return sent.result()
        SKIPS.labels("slow" if error is None else "failed").inc()
        if self._circuit.failed(self._now()):
            _LOG.warning("locks.skipped", error="slow" if error is None else type(error).__name__)
        return None

    async def released(self, keys: Keys, *, within_seconds: float) -> None:
        """Until somebody released the lock, or `within_seconds`; at times for nothing."""
        seconds = max(within_seconds, 0.001)
        if self._listening.locked():
            await asyncio.sleep(seconds)
            return
        async with self._listening:
            look_again_at = self._now() + seconds
            # in a task of its own: redis-py swallows a cancellation while it sends (wait_for of Python 3.11)
            listening = self.in_background(self._listen(keys, seconds))
            try:
                await asyncio.wait({listening}, timeout=seconds + self.patience_seconds)
            finally:
                listening.cancel()
            if not listening.done() or listening.exception() is not None:
                await asyncio.sleep(max(0.0, look_again_at - self._now()))

    def in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def keep(self, keeping: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.in_background(keeping)
        self._keepers.add(task)
        task.add_done_callback(self._keepers.discard)
        return task

    async def close(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        while self._background:
            await asyncio.wait(self._background)

    async def _put(self, question: Question, keys: Keys, *, owner: str, ttl_seconds: float) -> Answer:
        async with asyncio.timeout(max(_LONGEST_SECONDS, self.patience_seconds)), self._places:
            # a connection that broke may have lost the question or only its answer: asking again is safe
            with suppress(RedisConnectionError):
                return await put(self._redis, question, keys, owner=owner, ttl_seconds=ttl_seconds)
            return await put(self._redis, question, keys, owner=owner, ttl_seconds=ttl_seconds)

    async def _listen(self, keys: Keys, seconds: float) -> None:
        await self._redis.blpop([keys.released], timeout=seconds)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: an answer that came too late to matter may be an error
