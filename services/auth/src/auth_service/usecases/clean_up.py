"""Rows that are past their time are deleted by a job: batch by batch, for a limited while, beside logins."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from prometheus_client import Counter, Gauge

from auth_service.storage.dead_rows import DeadRows, dead_rows
from common.jobs.control import Control
from common.jobs.enqueue import enqueue
from common.jobs.kinds import Job, JobKind
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction

CLEAN_UP = "clean_up"
BATCH = 500
BUDGET_SECONDS = 120.0
"""Of one job; what is left then is the next one's."""
REST = 4.0
"""Times as long as it worked: four fifths of the disk and of a core stay with those who sign in."""

DELETED = Counter("quartet_clean_up_rows_total", "Rows past their time that were deleted.", ["table"])
BACKLOG = Gauge(
    "quartet_clean_up_backlog_rows",
    "Rows past their time that the last clean-up left, counted up to 100,000.",
    ["table"],
)


async def ask_for_clean_up(tx: Transaction) -> None:
    """As system; one that is waiting or running stands for this one, too."""
    await enqueue(tx, CLEAN_UP, dedupe_key=CLEAN_UP, user_id=None, arguments={})


class CleanUp:
    def __init__(
        self,
        database: Database,
        *,
        kept: timedelta,
        batch: int = BATCH,
        budget_seconds: float = BUDGET_SECONDS,
        seconds: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._dead = dead_rows(kept)
        self._batch = batch
        self._budget = budget_seconds
        self._seconds = seconds
        self._pause = pause

    def kind(self) -> JobKind:
        return JobKind(CLEAN_UP, self.run, max_attempts=3, concurrency=1)

    async def run(self, job: Job, control: Control) -> Mapping[str, object]:
        """A batch of each table in turn, so that a long one keeps none of the others waiting."""
        deleted: dict[str, int] = dict(job.checkpoint)
        left = list(self._dead)
        until = self._seconds() + self._budget
        while left and self._seconds() < until:
            one, began = left.pop(0), self._seconds()
            number = await self._delete(one, deleted, control)
            if number == self._batch:
                left.append(one)
            control.check()
            await self._pause(REST * (self._seconds() - began))
        await self._look_what_is_left(self._dead)
        return {"deleted": deleted, "finished": not left}

    async def _delete(self, one: DeadRows, deleted: dict[str, int], control: Control) -> int:
        async def batch(tx: Transaction) -> tuple[int, dict[str, int]]:
            number = await one.delete(tx, batch=self._batch)
            total = deleted | {one.table: deleted.get(one.table, 0) + number}
            if number:
                await control.save(tx, sum(total.values()), checkpoint=total)
            return number, total

        number, total = await self._database.in_transaction(Context.SYSTEM, batch)
        deleted.update(total)
        DELETED.labels(one.table).inc(number)
        return number

    async def _look_what_is_left(self, all_dead: Sequence[DeadRows]) -> None:
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            found = [(one.table, await one.count(tx)) for one in all_dead]
        for table in {table for table, _ in found}:
            BACKLOG.labels(table).set(sum(number for name, number in found if name == table))
