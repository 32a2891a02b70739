"""Claims due jobs and has them carried out; several runners of a service work beside each other."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from common.clock import Clock, utc_now
from common.errors import QuartetError
from common.ids import NewId, new_id
from common.jobs.carrying import Carrier, Held, Stop
from common.jobs.claiming import Extension, claim, end_without_run, extend, look
from common.jobs.control import Control
from common.jobs.counting import count_unfinished
from common.jobs.kinds import Job, JobKind
from common.jobs.metrics import ENDED, TURN_FAILURES
from common.postgres.context import Context
from common.postgres.engine import Database

_LOG = structlog.get_logger()
_COUNT_EVERY_SECONDS = 15.0
_BODY_END_SECONDS = 2.0
"""How long a cancelled body may take to let go before the runner leaves it."""


def _nothing() -> None: ...


@contextmanager
def _surviving(step: str) -> Generator[None, None, None]:
    """Whatever fails in a turn, the jobs are still there: the database comes back, a rollout ends."""
    try:
        yield
    except (QuartetError, TimeoutError) as error:
        TURN_FAILURES.labels(step).inc()
        _LOG.warning(f"jobs.{step}_failed", error=str(error))
    except Exception:  # noqa: BLE001 - a runner that dies of one bad turn runs nothing any more
        TURN_FAILURES.labels(step).inc()
        _LOG.exception(f"jobs.{step}_failed")


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _end(task: asyncio.Task[None]) -> None:
    """Lets it come to its end, which spares the connection that it is using; then cancels it."""
    await asyncio.wait({task}, timeout=_BODY_END_SECONDS)
    task.cancel()


class Runner:
    def __init__(
        self,
        database: Database,
        kinds: Sequence[JobKind],
        *,
        wake: asyncio.Event | None = None,
        capacity: int = 8,
        poll_seconds: float = 1.0,
        beat_seconds: float = 2.0,
        finish_seconds: float = 4.0,
        clock: Clock = utc_now,
        chance: Callable[[], float] = random.random,
        new_id: NewId = new_id,
        on_turn: Callable[[], None] = _nothing,
    ) -> None:
        """`wake` is set by whoever knows of new jobs; `on_turn` tells a watchdog that the loop goes round."""
        self._database = database
        self._kinds = {kind.name: kind for kind in kinds}
        self._wake = wake or asyncio.Event()
        self._capacity = capacity
        self._poll = timedelta(seconds=poll_seconds)
        self._shortest_lease_seconds = min((kind.lease_seconds for kind in kinds), default=60.0)
        self._beat_seconds = min(beat_seconds, self._shortest_lease_seconds / 3)
        self._finish_seconds = finish_seconds
        self._clock = clock
        self._new_id = new_id
        self._on_turn = on_turn
        self._carrier = Carrier(database, clock=clock, chance=chance)
        self._held: set[Held] = set()
        self._carried: set[asyncio.Task[None]] = set()
        self._next_count = 0.0

    @property
    def running(self) -> int:
        return len(self._held)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: then bodies may finish for a while, and what is left is handed back."""
        over = asyncio.Event()
        keeper = asyncio.create_task(self._keep(over), name="jobs-keeper")
        stopped = asyncio.create_task(stop.wait(), name="jobs-stop")
        try:
            while not stop.is_set():
                self._wake.clear()
                pause = await self._turn()
                self._on_turn()
                await self._wait(stopped, pause)
            await self._let_finish()
        finally:
            stopped.cancel()
            try:
                await self._hand_back()
            finally:
                over.set()
                await _end(keeper)

    async def _turn(self) -> float:
        """One round of claiming; the seconds until the next one is due without being woken."""
        poll_seconds = self._poll.total_seconds()
        if not self._kinds or self._capacity <= len(self._held):
            return poll_seconds
        with _surviving("claim"):
            claimed, next_at = await self._claim()
            for job in claimed:
                self._start(job)
            return min(poll_seconds, max((next_at - self._clock()).total_seconds(), 0.01))
        return poll_seconds

    async def _claim(self) -> tuple[list[Job], datetime]:
        claimed: list[Job] = []
        running = Counter(held.kind.name for held in self._held)
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            now = self._clock()
            next_at = now + self._poll
            for due in await look(tx, list(self._kinds), now=now, ahead=self._poll):
                if due.at > now:
                    next_at = min(next_at, due.at)
                    continue
                kind = self._kinds[due.kind]
                for outcome in await end_without_run(tx, kind, now=now):
                    ENDED.labels(kind.name, outcome).inc()
                free = self._capacity - len(self._held) - len(claimed)
                slots = min(kind.concurrency - running[kind.name], free)
                if slots > 0:
                    claimed += await claim(tx, kind, slots=slots, claim_id=self._new_id(), now=now)
        return claimed, next_at

    def _start(self, job: Job) -> None:
        held = Held(job, self._kinds[job.kind], Control(self._database, job), until=job.claim_until)
        for former in self._held:
            if former.job.id == job.id:
                # its lease ran out here as for everybody else, and nobody has told its body yet
                former.stop_body(Stop.LOST)
        self._held.add(held)
        task = asyncio.create_task(self._carrier.carry(held), name=f"job-{job.kind}-{job.id}")
        self._carried.add(task)
        task.add_done_callback(lambda ended: self._ended(held, ended))

    def _ended(self, held: Held, task: asyncio.Task[None]) -> None:
        self._carried.discard(task)
        self._held.discard(held)
        self._wake.set()

    async def _wait(self, stopped: asyncio.Task[bool], seconds: float) -> None:
        woken = asyncio.create_task(self._wake.wait())
        await asyncio.wait({stopped, woken}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()

    async def _keep(self, over: asyncio.Event) -> None:
        """Keeps the leases of everything that runs, and hears of cancelling."""
        while not await _set_within(over, self._beat_seconds):
            with _surviving("extend"):
                async with asyncio.timeout(self._shortest_lease_seconds / 2):
                    await self._extend_all()
            self._let_go_of_expired()
            with _surviving("count"):
                await self._count()

    async def _extend_all(self) -> None:
        held = list(self._held)
        if not held:
            return
        now = self._clock()  # read before the send: the lease is never shorter than we believe
        wanted = [
            Extension(one.job.id, one.job.claim, now + timedelta(seconds=one.kind.lease_seconds))
            for one in held
        ]
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            kept = await extend(tx, wanted)
        for one, extension in zip(held, wanted, strict=True):
            cancel_requested = kept.get((one.job.id, one.job.claim))
            if cancel_requested is None:
                one.stop_body(Stop.LOST)
                continue
            one.until = extension.until
            if cancel_requested:
                self._cancel(one)

    def _cancel(self, held: Held) -> None:
        """First the body is told; one that does not stop by itself is stopped."""
        held.control.tell_cancelled()
        held.cancel_seen_at = held.cancel_seen_at or self._clock()
        grace = timedelta(seconds=held.kind.cancel_grace_seconds)
        if held.stop is None and self._clock() >= held.cancel_seen_at + grace:
            held.stop_body(Stop.CANCELLED)

    def _let_go_of_expired(self) -> None:
        """Without an answer of the database a lease ends for us when it may have ended for others."""
        now = self._clock()
        for held in self._held:
            if held.until <= now:
                held.stop_body(Stop.LOST)

    async def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_count:
            return
        self._next_count = now + _COUNT_EVERY_SECONDS
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            await count_unfinished(tx, now=self._clock())

    async def _let_finish(self) -> None:
        if self._carried:
            await asyncio.wait(set(self._carried), timeout=self._finish_seconds)

    async def _hand_back(self) -> None:
        """Bounded: a body that does not let go is left behind, and its job waits until the lease is over."""
        for held in self._held:
            held.stop_body(Stop.STOPPING)
        if self._carried:
            _, stuck = await asyncio.wait(set(self._carried), timeout=_BODY_END_SECONDS)
            for task in stuck:
                task.cancel()
                _LOG.error("job.would_not_stop", task=task.get_name())
