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
        self._listening = asyncio.Semaphore(_MOST_LISTENING)
        self._background: set[asyncio.Task[Any]] = set()

    @property
    def allowed(self) -> bool:
        """Asked once before each question: the circuit lets one through when it tries again."""
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
            asked_at = self._now()
            try:
                async with asyncio.timeout(seconds + self.patience_seconds):
                    await self._redis.blpop([keys.released], timeout=seconds)
            except Exception:  # noqa: BLE001 - whatever it is, looking again is what is left
                await asyncio.sleep(max(0.0, asked_at + seconds - self._now()))

    def in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        while self._background:
            await asyncio.wait(self._background)

    async def _put(self, question: Question, keys: Keys, *, owner: str, ttl_seconds: float) -> Answer:
        async with asyncio.timeout(_LONGEST_SECONDS):
            # a connection that broke may have lost the question or only its answer: asking again is safe
            with suppress(RedisConnectionError):
                return await put(self._redis, question, keys, owner=owner, ttl_seconds=ttl_seconds)
            return await put(self._redis, question, keys, owner=owner, ttl_seconds=ttl_seconds)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: an answer that came too late to matter may be an error
