import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import structlog
from prometheus_client import Counter, Gauge

from common.errors import QuartetError
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from common.telemetry.metrics import REGISTRY

_LOG = structlog.get_logger()

FAILURES = Counter(
    "quartet_housekeeping_failures_total",
    "Runs of a housekeeping task that failed and are tried again at the next round.",
    ["task"],
    registry=REGISTRY,
)
LAST_SUCCESS = Gauge(
    "quartet_housekeeping_last_success_seconds",
    "When a housekeeping task last went through, in seconds since 1970.",
    ["task"],
    registry=REGISTRY,
)
_MOST_BATCHES = 1000
_AGAIN_SECONDS = 5.0
"""After a round in which something failed: a database that comes late keeps nobody waiting for long."""


def _nothing() -> None: ...


async def database_now(tx: Transaction) -> datetime:
    """The database says what is past its time: a worker whose clock is ahead would drop what is needed."""
    now: datetime = (await tx.execute(sa.text("SELECT now()"))).scalar_one()
    return now


@dataclass(frozen=True)
class Task:
    name: str
    step: Callable[[Transaction, datetime], Awaitable[bool]]
    """One bounded transaction as system; True when there is more to do."""


class Housekeeping:
    """Runs each task in turn, again and again; one that fails stops neither the others nor the loop."""

    def __init__(
        self,
        database: Database,
        tasks: Sequence[Task],
        *,
        interval_seconds: float = 600.0,
        now: Callable[[Transaction], Awaitable[datetime]] = database_now,
        on_turn: Callable[[], None] = _nothing,
    ) -> None:
        self._database = database
        self._tasks = tuple(tasks)
        self._interval_seconds = interval_seconds
        self._now = now
        self._on_turn = on_turn

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            went_through = await self.once(stop)
            self._on_turn()
            pause = self._interval_seconds if went_through else min(self._interval_seconds, _AGAIN_SECONDS)
            try:
                async with asyncio.timeout(pause):
                    await stop.wait()
            except TimeoutError:
                continue

    async def once(self, stop: asyncio.Event | None = None) -> bool:
        """Whether every task went through."""
        failed = 0
        for task in self._tasks:
            try:
                await self._work_off(task, stop)
            except QuartetError as error:
                failed += 1
                FAILURES.labels(task.name).inc()
                _LOG.warning("housekeeping.failed", task=task.name, code=error.code)
            except Exception:  # noqa: BLE001 - the other tasks are as much needed as this one
                failed += 1
                FAILURES.labels(task.name).inc()
                _LOG.exception("housekeeping.failed", task=task.name)
            else:
                LAST_SUCCESS.labels(task.name).set_to_current_time()
        return failed == 0

    async def _work_off(self, task: Task, stop: asyncio.Event | None) -> None:
        for _ in range(_MOST_BATCHES):
            if stop is not None and stop.is_set():
                return
            async with self._database.transaction(as_user=Context.SYSTEM) as tx:
                more = await task.step(tx, await self._now(tx))
            if not more:
                return
