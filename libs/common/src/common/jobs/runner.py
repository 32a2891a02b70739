"""Claims due jobs and has them carried out; several runners of a service work beside each other."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import structlog

from common.errors import QuartetError
from common.ids import NewId, new_id
from common.jobs.carrying import Carrier, Held
from common.jobs.claiming import Extension, claim, end_without_run, extend, look
from common.jobs.control import Control
from common.jobs.counting import count_unfinished
from common.jobs.kinds import Job, JobKind
from common.jobs.metrics import ENDED, TURN_FAILURES
from common.jobs.verdicts import Stop
from common.postgres.context import Context
from common.postgres.engine import Database

_LOG = structlog.get_logger()
_COUNT_EVERY_SECONDS = 15.0
_SHORTEST_PAUSE_SECONDS = 0.01
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
        gather_seconds: float = 0.05,
        beat_seconds: float = 2.0,
        finish_seconds: float = 4.0,
        seconds: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        new_id: NewId = new_id,
        on_turn: Callable[[], None] = _nothing,
    ) -> None:
        """`wake` is set by whoever knows of new jobs; `on_turn` tells a watchdog that the loop goes round.

        After a wake the runner rests for `gather_seconds`: the events of the same commit are more urgent than
        its jobs, and what others commit meanwhile is claimed in the same turn.
        `seconds` measures how long a lease lasts here; when it ends for all is the database's to say.
        """
        self._database = database
        self._kinds = {kind.name: kind for kind in kinds}
        self._wake = wake or asyncio.Event()
        self._capacity = capacity
        self._poll_seconds = poll_seconds
        self._gather_seconds = gather_seconds
        self._shortest_lease_seconds = min((kind.lease_seconds for kind in kinds), default=60.0)
        self._beat_seconds = min(beat_seconds, self._shortest_lease_seconds / 3)
        self._finish_seconds = finish_seconds
        self._seconds = seconds
        self._new_id = new_id
        self._on_turn = on_turn
        self._carrier = Carrier(database, seconds=seconds, chance=chance)
        self._held: list[Held] = []
        self._carried: set[asyncio.Task[None]] = set()
        self._next_count = 0.0
        self._freed = False
        """A job has ended since the last turn: its place is given on at once."""

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
                self._freed = False
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
        if not self._kinds or self._capacity <= len(self._held):
            return self._poll_seconds
        with _surviving("claim"):
            asked_at = self._seconds()  # before the send: the lease is never shorter than we believe
            claimed, due_in = await self._claim()
            for job in claimed:
                self._start(job, asked_at)
            return max(due_in, _SHORTEST_PAUSE_SECONDS)
        return self._poll_seconds

    async def _claim(self) -> tuple[list[Job], float]:
        claimed: list[Job] = []
        running = Counter(held.kind.name for held in self._held)
        due_in = self._poll_seconds
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            for due in await look(tx, list(self._kinds), ahead_seconds=self._poll_seconds):
                if due.in_seconds > 0:
                    due_in = min(due_in, due.in_seconds)
                    continue
                kind = self._kinds[due.kind]
                for outcome in await end_without_run(tx, kind):
                    ENDED.labels(kind.name, outcome).inc()
                free = self._capacity - len(self._held) - len(claimed)
                slots = min(kind.concurrency - running[kind.name], free)
                if slots > 0:
                    claimed += await claim(tx, kind, slots=slots, claim_id=self._new_id())
        return claimed, due_in

    def _start(self, job: Job, asked_at: float) -> None:
        kind = self._kinds[job.kind]
        held = Held(job, kind, Control(self._database, job), until=asked_at + kind.lease_seconds)
        for former in self._held:
            if former.job.id == job.id:
                # its lease ran out here as for everybody else, and nobody has told its body yet
                former.stop_body(Stop.LOST)
        self._held.append(held)
        task = asyncio.create_task(self._carrier.carry(held), name=f"job-{job.kind}-{job.id}")
        self._carried.add(task)
        task.add_done_callback(lambda ended: self._ended(held, ended))

    def _ended(self, held: Held, task: asyncio.Task[None]) -> None:
        self._carried.discard(task)
        self._held.remove(held)
        self._freed = True
        self._wake.set()

    async def _wait(self, stopped: asyncio.Task[bool], seconds: float) -> None:
        woken = asyncio.create_task(self._wake.wait())
        await asyncio.wait({stopped, woken}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        if self._wake.is_set() and not self._freed:
            await asyncio.wait({stopped}, timeout=self._gather_seconds)

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
        asked_at = self._seconds()
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            found = await extend(
                tx, [Extension(one.job.id, one.job.claim, one.kind.lease_seconds) for one in held]
            )
        for one in held:
            kept = found.get((one.job.id, one.job.claim))
            if kept is None:
                one.stop_body(Stop.LOST)
                continue
            if kept.extended:
                one.until = asked_at + one.kind.lease_seconds
            if kept.cancel_requested:
                self._cancel(one)

    def _cancel(self, held: Held) -> None:
        """First the body is told; one that does not stop by itself is stopped, again and again if need be."""
        held.control.tell_cancelled()
        now = self._seconds()
        if held.cancel_seen_at is None:
            held.cancel_seen_at = now
        if now >= held.cancel_seen_at + held.kind.cancel_grace_seconds:
            held.cancel_seen_at = now
            held.stop_body(Stop.CANCELLED)

    def _let_go_of_expired(self) -> None:
        """Without an answer of the database a lease ends for us when it may have ended for others."""
        now = self._seconds()
        for held in self._held:
            if held.until <= now:
                held.stop_body(Stop.LOST)

    async def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_count:
            return
        self._next_count = now + _COUNT_EVERY_SECONDS
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            await count_unfinished(tx)

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
