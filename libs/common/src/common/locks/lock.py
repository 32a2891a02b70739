import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from redis.asyncio import Redis

from common.ids import NewId, new_id
from common.locks.asking import POLL_SECONDS, Asking
from common.locks.hold import Hold
from common.locks.metrics import EXTENSIONS, LOCKS, WAIT_SECONDS
from common.locks.outcome import Outcome
from common.locks.script import Answer, Question, keys_of


class Locks:
    """The locks of a service in one process; closed before its Redis is."""

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        *,
        patience_seconds: float = 0.05,
        now: Callable[[], float] = time.monotonic,
        new_id: NewId = new_id,
    ) -> None:
        self._prefix = prefix
        self._now = now
        self._new_id = new_id
        self._asking = Asking(redis, patience_seconds=patience_seconds, now=now)

    def lock(self, kind: str, name: str, *, ttl_seconds: float, wait_seconds: float) -> "Lock":
        """For one `async with`, which always goes on: `outcome` says with what."""
        return Lock(
            self._asking,
            self._prefix,
            kind,
            name,
            owner=self._new_id().hex,
            ttl_seconds=ttl_seconds,
            wait_seconds=wait_seconds,
            now=self._now,
        )

    async def close(self) -> None:
        """When all that was still asked or given back in the background is over."""
        await self._asking.close()


class Lock:
    """One acquisition; while it is held it is extended in the background."""

    def __init__(
        self,
        asking: Asking,
        prefix: str,
        kind: str,
        name: str,
        *,
        owner: str,
        ttl_seconds: float,
        wait_seconds: float,
        now: Callable[[], float],
    ) -> None:
        self.kind = kind
        self.outcome: Outcome | None = None
        self._asking = asking
        self._keys = keys_of(prefix, f"{kind}:{name}")
        self._owner = owner
        self._wait_seconds = wait_seconds
        self._now = now
        self._hold = Hold(ttl_seconds)
        self._asked: asyncio.Task[Answer] | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """As far as this process can know."""
        return self._hold.held(self._now())

    @property
    def fence(self) -> int | None:
        """Greater than every earlier holder's: a resource that keeps it can refuse whoever comes late."""
        return self._hold.fence

    async def __aenter__(self) -> Self:
        if self.outcome is not None or self._asked is not None:
            raise RuntimeError("a lock is taken once: ask for another one")
        began_at = self._now()
        try:
            self.outcome = await self._take(give_up_at=began_at + self._wait_seconds)
        except BaseException:
            self._asking.in_background(self._let_go())
            raise
        if self.outcome is Outcome.HELD:
            self._keeper = self._asking.keep(self._keep())
        elif self.outcome is Outcome.SKIPPED:
            self._asking.in_background(self._let_go())
        LOCKS.labels(self.kind, self.outcome).inc()
        WAIT_SECONDS.labels(self.kind).observe(self._now() - began_at)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is None:
            return
        self._keeper.cancel()
        self._hold.refused()
        released = self._asking.in_background(self._let_go())
        await asyncio.wait({released}, timeout=self._asking.patience_seconds)

    async def _take(self, *, give_up_at: float) -> Outcome:
        while True:
            answer = await self._ask(Question.ACQUIRE)
            if answer is None:
                return Outcome.SKIPPED
            if answer.granted:
                return Outcome.HELD
            left = give_up_at - self._now()
            if left <= 0:
                return Outcome.BUSY
            await self._asking.released(
                self._keys, within_seconds=min(left, answer.number / 1000, POLL_SECONDS)
            )

    async def _ask(self, question: Question) -> Answer | None:
        if not self._asking.may_ask():
            return None
        sent_at = self._now()
        self._asked = self._asking.send(
            question, self._keys, owner=self._owner, ttl_seconds=self._hold.ttl_seconds
        )
        answer = await self._asking.answer(self._asked)
        if answer is not None and answer.granted:
            self._hold.granted(sent_at=sent_at, fence=answer.number)
        return answer

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._hold.extend_at - self._now()))
            if not self._hold.may_extend(self._now()):
                EXTENSIONS.labels("late").inc()
                return
            answer = await self._ask(Question.EXTEND)
            if answer is None:
                EXTENSIONS.labels("unanswered").inc()
                self._hold.unanswered(self._now())
            elif answer.granted:
                EXTENSIONS.labels("granted").inc()
            else:
                EXTENSIONS.labels("refused").inc()
                self._hold.refused()
                return

    async def _let_go(self) -> None:
        """Only after whatever was asked is over: nothing may take the lock for one who has left."""
        if self._asked is None:
            return
        with suppress(Exception):
            await asyncio.wait({self._asked})
            await self._asking.send(
                Question.RELEASE, self._keys, owner=self._owner, ttl_seconds=self._hold.ttl_seconds
            )
