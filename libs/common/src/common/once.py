"""Work that many ask for is done once: a claim decides, a lock and a single flight save work (ADR 0013)."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from prometheus_client import Counter

from common.claims import Claim, ClaimLostError, Claims
from common.errors import Kind, QuartetError, unavailable
from common.ids import NewId, new_id
from common.locks import Locks
from common.postgres.context import AsUser
from common.postgres.engine import Database, Transaction
from common.single_flight import SingleFlight
from common.telemetry.metrics import REGISTRY

ResultT = TypeVar("ResultT")
AnswerT = TypeVar("AnswerT")

_CLAIMS = Counter(
    "quartet_claims_total",
    "Claims by what became of them: finished, lost, given_up; and asked for: taken, taken_over, refused.",
    ["table", "outcome"],
    registry=REGISTRY,
)
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class Todo:
    """What is wanted is not there yet; this is the version on which it may be claimed."""

    version: int


@dataclass(frozen=True)
class Work(Generic[ResultT, AnswerT]):
    claims: Claims
    key: UUID
    version: int
    """As the caller saw it."""
    as_user: AsUser
    look: Callable[[Transaction], Awaitable[AnswerT | Todo]]
    """What the database says now: the answer, or that it is still to be worked for."""
    do: Callable[[Claim], Awaitable[ResultT]]
    """The work itself, outside of any transaction. May begin again elsewhere when its process is lost."""
    store: Callable[[Transaction, Claim, ResultT], Awaitable[AnswerT]]
    """Ends with `claims.finish`, in one transaction with the events; run again when the database was away."""
    work_seconds: float
    """The most that `do` may take; the claim lasts twice as long."""
    wait_seconds: float
    """How long to wait for whoever else is at it."""
    abandoned: str | None = None
    """The state of a row whose work was broken off; the free state when it may simply be done again."""

    @property
    def claim_seconds(self) -> float:
        return 2 * self.work_seconds


@dataclass
class _Attempt:
    claim_id: UUID
    begun: bool = False
    """Before that, giving up leaves the row as it was found."""


class Once:
    """One for a process; closed before its database and its locks are."""

    def __init__(
        self,
        database: Database,
        locks: Locks,
        *,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        new_id: NewId = new_id,
    ) -> None:
        self._database = database
        self._locks = locks
        self._now = now
        self._chance = chance
        self._new_id = new_id
        self._flights = SingleFlight()
        self._background: set[asyncio.Task[None]] = set()

    async def do(self, work: Work[Any, AnswerT]) -> AnswerT:
        """The answer, whoever did the work; `unavailable` when another is at it for longer than the wait."""
        asked = (work.claims.table, work.key, work.version, work.as_user)
        return await self._flights.run(asked, lambda: self._do(work))

    async def close(self) -> None:
        await self._flights.close()
        while self._background:
            await asyncio.wait(self._background)

    async def _do(self, work: Work[Any, AnswerT]) -> AnswerT:
        give_up_at = self._now() + work.wait_seconds
        lock = self._locks.lock(
            work.claims.table,
            str(work.key),
            ttl_seconds=work.claim_seconds,
            wait_seconds=work.wait_seconds,
        )
        async with lock:
            version, pause = work.version, _FIRST_PAUSE_SECONDS
            while True:
                seen = await self._attempt(work, version)
                if not isinstance(seen, Todo):
                    return seen
                if seen.version == version:
                    await self._wait_for_others(pause, give_up_at)
                    pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                version = seen.version

    async def _attempt(self, work: Work[Any, AnswerT], version: int) -> AnswerT | Todo:
        attempt = _Attempt(self._new_id())
        try:
            claim, seen = await self._take(work, version, attempt.claim_id)
            return seen if claim is None else await self._carry_out(work, claim, attempt)
        except ClaimLostError:
            _CLAIMS.labels(work.claims.table, "lost").inc()
            # what was lost is the version, or only time: then the claim may still stand
            await asyncio.shield(self._in_background(self._give_up(work, attempt)))
            return Todo(version)
        except asyncio.CancelledError:
            self._in_background(self._give_up(work, attempt))
            raise
        except BaseException:
            await asyncio.shield(self._in_background(self._give_up(work, attempt)))
            raise

    async def _take(
        self, work: Work[Any, AnswerT], version: int, claim_id: UUID
    ) -> tuple[Claim | None, AnswerT | Todo]:
        async def take_or_look(tx: Transaction) -> tuple[Claim | None, AnswerT | Todo]:
            claim = await work.claims.take(
                tx, work.key, version=version, claim_id=claim_id, seconds=work.claim_seconds
            )
            return claim, Todo(version) if claim is not None else await work.look(tx)

        claim, seen = await self._database.in_transaction(work.as_user, take_or_look)
        outcome = "refused" if claim is None else "taken_over" if claim.taken_over else "taken"
        _CLAIMS.labels(work.claims.table, outcome).inc()
        return claim, seen

    async def _carry_out(self, work: Work[Any, AnswerT], claim: Claim, attempt: _Attempt) -> AnswerT:
        left = claim.taken_at + work.work_seconds - self._now()
        if left <= 0:
            raise ClaimLostError("the process was away for longer than the work may take")
        attempt.begun = True
        try:
            async with asyncio.timeout(left):
                result = await work.do(claim)
        except TimeoutError as error:
            raise unavailable(
                "claim.work_too_long", "What was asked for took too long; try again."
            ) from error
        answer = await self._store(work, claim, result)
        _CLAIMS.labels(work.claims.table, "finished").inc()
        return answer

    async def _store(self, work: Work[ResultT, AnswerT], claim: Claim, result: ResultT) -> AnswerT:
        """Not given up while the claim lasts: the result exists nowhere else."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._database.in_transaction(
                    work.as_user, lambda tx: work.store(tx, claim, result)
                )
            except QuartetError as error:
                over = self._now() + pause >= claim.taken_at + work.claim_seconds
                if error.kind is not Kind.UNAVAILABLE or over:
                    raise
            await asyncio.sleep(pause * (0.5 + self._chance() / 2))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _wait_for_others(self, pause: float, give_up_at: float) -> None:
        if self._now() >= give_up_at:
            raise unavailable("claim.busy", "Another process is doing this; try again shortly.")
        await asyncio.sleep(pause * (0.5 + self._chance() / 2))

    async def _give_up(self, work: Work[Any, Any], attempt: _Attempt) -> None:
        """Also when it is not known whether the claim was taken; if this fails too, the claim runs out."""

        async def give_up(tx: Transaction) -> bool:
            state = work.abandoned if attempt.begun else None
            return await work.claims.give_up(tx, work.key, attempt.claim_id, state=state)

        with suppress(Exception):
            if await self._database.in_transaction(work.as_user, give_up):
                _CLAIMS.labels(work.claims.table, "given_up").inc()

    def _in_background(self, giving_up: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(giving_up)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
