"""One job from its claim to its ending."""

import asyncio
import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from common.clock import Clock
from common.errors import Kind, QuartetError
from common.jobs.control import Control, JobCancelled, LeaseLost
from common.jobs.endings import Ending, passes_by_itself, sentence_about, write_ending
from common.jobs.kinds import Job, JobKind
from common.jobs.metrics import ENDED, RUNNING, SECONDS
from common.jobs.storable import storable
from common.postgres.context import Context
from common.postgres.engine import Database
from common.telemetry.tracing import continue_trace, span

_LOG = structlog.get_logger()
_AWAY = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT})
_BETWEEN_WRITES_SECONDS = 0.5

Pause = Callable[[float], Awaitable[None]]


class Stop(enum.Enum):
    """Why a body is stopped from outside."""

    LOST = "lost"
    CANCELLED = "cancelled"
    STOPPING = "stopping"


@dataclass(eq=False)
class Held:
    """A job that this runner has, and its running body."""

    job: Job
    kind: JobKind
    control: Control
    until: datetime
    body: "asyncio.Task[object] | None" = None
    stop: Stop | None = None
    cancel_seen_at: datetime | None = None

    def stop_body(self, why: Stop) -> None:
        """The first reason stays: what was lost is not handed back later."""
        if self.stop is None:
            self.stop = why
        if why is Stop.LOST:
            self.control.tell_lost()
        if self.body is not None:
            self.body.cancel()


async def _call(held: Held) -> object:
    return await held.kind.body(held.job, held.control)


class Carrier:
    """Runs bodies and writes down how they ended; no fault of a body or of its result passes beyond it."""

    def __init__(
        self, database: Database, *, clock: Clock, chance: Callable[[], float], pause: Pause = asyncio.sleep
    ) -> None:
        self._database = database
        self._clock = clock
        self._chance = chance
        self._pause = pause

    async def carry(self, held: Held) -> None:
        job = held.job
        log = _LOG.bind(job_id=str(job.id), kind=job.kind, attempt=job.attempt)
        parent = continue_trace({"traceparent": job.trace} if job.trace else {})
        started = asyncio.get_running_loop().time()
        outcome = "lost"
        with span(f"job {job.kind}", parent=parent), RUNNING.labels(job.kind).track_inprogress():
            try:
                ending = await self._run(held, log)
                if ending is not None and await self._write(held, ending, log):
                    outcome = ending.outcome
            except Exception:
                # A bug of ours: the lease runs out and another run follows; the runner goes on.
                log.exception("job.carrying_failed")
        SECONDS.labels(job.kind).observe(asyncio.get_running_loop().time() - started)
        ENDED.labels(job.kind, outcome).inc()
        log.info("job.ended", outcome=outcome)

    async def _run(self, held: Held, log: structlog.stdlib.BoundLogger) -> Ending | None:
        """None when the job is not ours any more."""
        body = asyncio.create_task(_call(held), name=f"body-{held.job.kind}")
        held.body = body
        if held.stop is not None:
            body.cancel()
        await asyncio.wait({body})
        if held.stop is Stop.LOST:
            _ = body.cancelled() or body.exception()  # seen, so that the loop does not complain of it
            return None
        if body.cancelled():
            return self._stopped(held)
        error = body.exception()
        if error is None:
            return self._succeeded(body.result(), log)
        if isinstance(error, LeaseLost):
            return None
        if isinstance(error, JobCancelled):
            return Ending("cancelled")
        return self._failed(held, error, log)

    def _stopped(self, held: Held) -> Ending:
        if held.stop is Stop.STOPPING:
            return Ending("handed_back", run_at=self._clock())
        if held.stop is Stop.CANCELLED:
            return Ending("cancelled")
        return self._another_try(held, "internal: the body was cancelled from inside", after_seconds=0)

    def _succeeded(self, result: object, log: structlog.stdlib.BoundLogger) -> Ending:
        try:
            return Ending("succeeded", result=None if result is None else storable(result, what="result"))
        except QuartetError as error:
            # Another run would end with the same result.
            log.warning("job.result_not_storable", reason=error.detail)
            return Ending("failed", error=sentence_about(error))

    def _failed(self, held: Held, error: BaseException, log: structlog.stdlib.BoundLogger) -> Ending:
        if isinstance(error, QuartetError):
            log.warning("job.failed", code=error.code)
            if not passes_by_itself(error):
                return Ending("failed", error=sentence_about(error))
            return self._another_try(held, sentence_about(error), error.retry_after_seconds or 0)
        log.error("job.crashed", exc_info=error)
        return self._another_try(held, sentence_about(error), after_seconds=0)

    def _another_try(self, held: Held, error: str, after_seconds: float) -> Ending:
        job = held.job
        if job.attempt >= job.max_attempts:
            return Ending("failed", error=error)
        wait = held.kind.backoff.delay(job.attempt, chance=self._chance())
        return Ending(
            "retried", error=error, run_at=self._clock() + max(wait, timedelta(seconds=after_seconds))
        )

    async def _write(self, held: Held, ending: Ending, log: structlog.stdlib.BoundLogger) -> bool:
        """Tries for as long as the lease lasts; what the database refuses fails the job, not the runner."""
        while True:
            try:
                return await self._write_once(held.job, ending)
            except QuartetError as error:
                if error.kind not in _AWAY and ending.outcome == "succeeded":
                    log.warning("job.result_refused", code=error.code)
                    ending = Ending("failed", error=f"job.result_refused: {sentence_about(error)}")
                    continue
                log.warning("job.ending_not_written", code=error.code)
            except Exception:
                log.exception("job.ending_not_written")
            if held.stop is Stop.LOST or self._clock() >= held.until:
                return False
            await self._pause(_BETWEEN_WRITES_SECONDS)

    async def _write_once(self, job: Job, ending: Ending) -> bool:
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            return await write_ending(tx, job, ending, now=self._clock())
