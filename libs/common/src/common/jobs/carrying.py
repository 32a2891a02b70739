"""One job from its claim to its ending."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from common.errors import Kind, QuartetError
from common.jobs.control import Control
from common.jobs.endings import Ending, write_ending
from common.jobs.kinds import Job, JobKind
from common.jobs.metrics import ENDED, RUNNING, SECONDS
from common.jobs.verdicts import BodyEnd, Raised, Returned, Stop, WasCancelled, sentence_about, verdict
from common.postgres.context import Context
from common.postgres.engine import Database
from common.telemetry.tracing import continue_trace, span

_LOG = structlog.get_logger()
_AWAY = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT})
_BETWEEN_WRITES_SECONDS = 0.5

Pause = Callable[[float], Awaitable[None]]


@dataclass(eq=False)
class Held:
    """A job that this runner has, and its running body."""

    job: Job
    kind: JobKind
    control: Control
    until: float
    """When the lease may be over for others, in this process's own seconds: from before it was asked for."""
    body: "asyncio.Task[object] | None" = None
    stop: Stop | None = None
    cancel_seen_at: float | None = None

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


def _end_of(body: "asyncio.Task[object]") -> BodyEnd:
    if body.cancelled():
        return WasCancelled()
    error = body.exception()
    return Returned(body.result()) if error is None else Raised(error)


class Carrier:
    """Runs bodies and writes down how they ended; no fault of a body or of its result passes beyond it."""

    def __init__(
        self,
        database: Database,
        *,
        seconds: Callable[[], float],
        chance: Callable[[], float],
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._database = database
        self._seconds = seconds
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
        ended = _end_of(body)
        ending = verdict(ended, held.stop, job=held.job, kind=held.kind, chance=self._chance())
        if ending is not None and ending.error is not None:
            if isinstance(ended, Raised) and not isinstance(ended.error, QuartetError):
                log.error("job.crashed", exc_info=ended.error)
            else:
                log.warning("job.failed", code=ending.error.partition(":")[0])
        return ending

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
            if held.stop is Stop.LOST or self._seconds() >= held.until:
                return False
            await self._pause(_BETWEEN_WRITES_SECONDS)

    async def _write_once(self, job: Job, ending: Ending) -> bool:
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            return await write_ending(tx, job, ending)
