import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from common.errors import unavailable
from common.ids import new_id
from common.jobs import Job, JobKind, Runner, enqueue
from common.postgres.context import AsUser, Context
from common.postgres.engine import Database
from common.postgres.trip import Step
from tests.support.installation import Installation
from tests.support.waiting import eventually


class Cut(Database):
    """The real database, out of reach while `away`."""

    away = False

    async def begin(self, as_user: AsUser, first: Sequence[Step] = ()) -> Any:
        if self.away:
            raise unavailable("database.unavailable", "The database does not answer.")
        return await super().begin(as_user, first)


@pytest.fixture
async def cut(installation: Installation) -> AsyncIterator[Cut]:
    settings = installation.database_settings("auth", "worker")
    database = Cut(settings, service="auth", application_name="cut")
    yield database
    await database.close()


class Running:
    """A runner at work in the background."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(runner.run(self._stop))

    async def stop(self) -> None:
        self._stop.set()
        async with asyncio.timeout(15):
            await self.task

    async def cancel(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


class Jobs:
    """The jobs table of auth, as tests look at it and fill it."""

    def __init__(self, database: Database, superuser: asyncpg.Connection) -> None:
        self._database = database
        self._superuser = superuser

    async def make(
        self,
        kind: str = "test",
        *,
        user_id: UUID | None = None,
        dedupe_key: str | None = None,
        run_at: datetime | None = None,
        max_attempts: int | None = None,
        arguments: dict[str, object] | None = None,
    ) -> UUID:
        key = dedupe_key or str(new_id())
        async with self._database.transaction(as_user=user_id or Context.SYSTEM) as tx:
            await enqueue(
                tx,
                kind,
                dedupe_key=key,
                user_id=user_id,
                arguments=arguments or {},
                run_at=run_at,
                max_attempts=max_attempts,
            )
        return await self._superuser.fetchval(
            "select id from auth.jobs where kind = $1 and dedupe_key = $2 and finished_at is null", kind, key
        )

    async def row(self, job_id: UUID) -> asyncpg.Record:
        return await self._superuser.fetchrow("select * from auth.jobs where id = $1", job_id)

    async def state(self, job_id: UUID) -> str:
        return (await self.row(job_id))["state"]

    async def count(self, state: str) -> int:
        return await self._superuser.fetchval("select count(*) from auth.jobs where state = $1", state)

    async def ended(self, job_id: UUID, state: str, within: float = 10.0) -> asyncpg.Record:
        async def as_expected() -> bool:
            row = await self.row(job_id)
            assert row["state"] == state, f"it is {row['state']}: {row['error']}"
            return True

        await eventually(as_expected, within)
        return await self.row(job_id)

    async def expire(self, job_id: UUID) -> None:
        """Its lease is over, for everybody."""
        past = "update auth.jobs set claim_until = now() - interval '1 s' where id = $1"
        await self._superuser.execute(past, job_id)

    async def take_away(self, job_id: UUID) -> UUID:
        """Another worker has it from now on."""
        other = new_id()
        await self._superuser.execute("update auth.jobs set claim = $2 where id = $1", job_id, other)
        return other


@pytest.fixture
def jobs(database: Database, superuser: asyncpg.Connection) -> Jobs:
    return Jobs(database, superuser)


@pytest.fixture
def user_id() -> UUID:
    return new_id()


Start = Callable[..., Running]


@pytest.fixture
async def start(database: Database, cut: Cut) -> AsyncIterator[Start]:
    """Starts a runner that polls often; what a test leaves running is stopped."""
    started: list[Running] = []

    def start_one(*kinds: JobKind, on: Database = database, **options: Any) -> Running:
        quick = {"poll_seconds": 0.05, "beat_seconds": 0.05, "finish_seconds": 0.2}
        running = Running(Runner(on, kinds, **(quick | options)))
        started.append(running)
        return running

    yield start_one
    cut.away = False
    for running in started:
        if not running.task.done():
            await running.stop()


class Work:
    """A body that says when it began and ends when it is told to."""

    def __init__(self) -> None:
        self.begun: list[Job] = []
        self.cancelled = 0
        self.may_end = asyncio.Event()
        self.result: object = None

    async def __call__(self, job: Job, control: Any) -> object:
        self.begun.append(job)
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.result


@pytest.fixture
def work() -> Work:
    return Work()
