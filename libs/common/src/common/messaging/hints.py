"""Redis PUBLISH after a commit: it carries nothing, and losing it costs the wait for the next poll."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis

from common.messaging.backoff import Backoff, elapses

_PATIENCE_SECONDS = 0.5
_SILENCE_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Hints:
    """Never an error and never a wait for whoever commits: names are sent from the background."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        # in the order in which they were named
        self._names: dict[str, None] = {}
        self._asked = asyncio.Event()

    def publish(self, names: Iterable[str]) -> None:
        self._names.update(dict.fromkeys(names))
        self._asked.set()

    async def run(self, stop: asyncio.Event) -> None:
        ender = asyncio.create_task(self._end_at(stop))
        try:
            while not stop.is_set():
                await self._asked.wait()
                self._asked.clear()
                names, self._names = self._names, {}
                for name in names:
                    with suppress(Exception):
                        async with asyncio.timeout(_PATIENCE_SECONDS):
                            await self._redis.publish(f"{self._prefix}{name}", b"")
        finally:
            ender.cancel()

    async def _end_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._asked.set()


class Wakeups:
    """One event per name, set by a hint; all of them whenever hints may have been missed."""

    def __init__(self, redis: Redis, prefix: str, names: Iterable[str]) -> None:
        self._redis = redis
        self._channels = {f"{prefix}{name}": name for name in names}
        self._events = {name: asyncio.Event() for name in self._channels.values()}
        self.away = True
        """Nobody would be woken now: pollers poll faster."""

    def event(self, name: str) -> asyncio.Event:
        return self._events[name]

    def wake(self, names: Iterable[str]) -> None:
        """A hint from this very process."""
        for name in names:
            if name in self._events:
                self._events[name].set()

    async def run(self, stop: asyncio.Event) -> None:
        backoff, failures = Backoff(first_seconds=0.1, most_seconds=2.0), 0
        while not stop.is_set():
            try:
                await self._listen(stop)
                failures = 0
            except Exception as error:  # noqa: BLE001 - whatever answers there, nothing rests on it
                if not self.away:
                    log.warning("hints.away", error=type(error).__name__)
                self.away = True
                failures += 1
                await elapses(backoff.delay(failures), unless=stop)

    async def _listen(self, stop: asyncio.Event) -> None:
        async with self._redis.pubsub() as pubsub:
            async with asyncio.timeout(_SILENCE_SECONDS):
                await pubsub.subscribe(*self._channels)
            self.away = False
            self.wake(self._channels.values())
            asked_at: float | None = None
            while not stop.is_set():
                message: dict[str, Any] | None = await pubsub.get_message(timeout=1.0)
                now = asyncio.get_running_loop().time()
                if message is not None:
                    asked_at = None
                    self._hear(message)
                elif asked_at is None:
                    asked_at = now
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        await pubsub.ping()
                elif now - asked_at > _SILENCE_SECONDS:
                    raise TimeoutError("Redis does not answer")

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            channel = message["channel"]
            self.wake([self._channels[channel.decode() if isinstance(channel, bytes) else channel]])


async def first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
