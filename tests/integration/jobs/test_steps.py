"""A runner that is hit at each step of its cycle: what it was doing is done once, and nothing goes back."""

import asyncio
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from common.ids import new_id
from common.jobs import JobKind
from common.postgres.engine import Database
from tests.integration.jobs.stepping import PAGES, pages_of
from tests.support.repository import ROOT
from tests.support.waiting import eventually

AT_ONCE = 4
"""Each that is stopped may keep one of the pooler's connections, in the middle of a transaction."""
LONG = bool(os.environ.get("QUARTET_TEST_LONG"))

_WATCH = """
create schema watched;
create table watched.history (n bigint generated always as identity, job_id uuid, finished bool, done int);
create function watched.note() returns trigger language plpgsql security definer as $$ begin
    insert into watched.history (job_id, finished, done)
    values (new.id, new.finished_at is not null, (new.progress ->> 'done')::int);
    return null;
end $$;
create trigger watched after update on auth.jobs for each row execute function watched.note();
"""
_PAGES = """
select kind, state, attempts, coalesce((progress ->> 'done')::int, 0) as done,
       array(select (data ->> 'page')::int from auth.audit_log
             where audit_log.user_id = jobs.user_id and action = 'effect' order by id) as pages
from auth.jobs
"""
# A row that a stopped process has locked stays as it is.
_EXPIRE = """
update auth.jobs set claim_until = now() - interval '1 s' where id in (
    select id from auth.jobs where state = 'running' and claim <> all($1) for update skip locked)
"""
_UNFINISHED = "select count(*) from auth.jobs where finished_at is null"
_CLAIMABLE = "select kind, state, error from auth.jobs where finished_at is null for update skip locked"


@dataclass
class Workers:
    """Every one has a job of its own and is hit at a step of its own."""

    process: asyncio.subprocess.Process
    found: Counter[str] = field(default_factory=Counter)

    async def hit(self, blow: str, step: int, kind: str) -> None:
        self.process.stdin.write(f"hit {blow} {step} {kind}\n".encode())

    async def ask(self, line: str) -> list[str]:
        self.process.stdin.write(f"{line}\n".encode())
        async with asyncio.timeout(60):
            states = json.loads(await self.process.stdout.readline())
        self.found.update(states.values())
        return list(states.values())


@pytest.fixture(scope="module")
async def stepping(installation, cleaned_by) -> AsyncIterator[asyncio.subprocess.Process]:
    """One for all, because importing takes it longer than a test."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.jobs.stepping"),
        cwd=ROOT,
        env=os.environ | installation.environment("auth", "worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield process
    process.stdin.close()
    await process.wait()


@pytest.fixture
async def workers(stepping) -> AsyncIterator[Workers]:
    workers = Workers(stepping)
    yield workers
    await workers.ask("end")


@pytest.fixture
async def history(superuser: asyncpg.Connection):
    """All that was ever written of how far each job is."""
    await superuser.execute(_WATCH)

    async def read() -> dict[object, list[asyncpg.Record]]:
        rows = await superuser.fetch("select * from watched.history order by job_id, n")
        return {job_id: list(group) for job_id, group in itertools.groupby(rows, lambda row: row["job_id"])}

    yield read
    await superuser.execute("drop trigger watched on auth.jobs; drop schema watched cascade")


@pytest.fixture
def groups(workers, jobs):
    """Hits some workers at once, each at the next step, until one came to its end before its blow fell."""

    async def hit(blow, stride):
        for first in itertools.count(1, AT_ONCE * stride):
            kinds = [f"{blow}-{step:03}" for step in range(first, first + AT_ONCE * stride, stride)]
            for kind in kinds:
                await jobs.make(kind, user_id=new_id())
                await workers.hit(blow, int(kind[-3:]), kind)
            states = await workers.ask("wait")
            yield kinds
            if "unharmed" in states:
                return

    return hit


@dataclass
class Other:
    """A runner beside those that are hit; everybody else's leases are over for it."""

    start: Callable[..., Any]
    database: Database
    superuser: asyncpg.Connection
    claims: list[UUID] = field(default_factory=list)

    @asynccontextmanager
    async def running(self, kinds: list[str]) -> AsyncGenerator[None]:
        of_kinds = [JobKind(kind, pages_of(self.database)) for kind in kinds]
        running = self.start(*of_kinds, new_id=self._new_claim)
        yield
        await running.stop()

    async def has_done_what_it_can(self) -> bool:
        """What a stopped process has locked is out of reach."""
        await self._expire()
        left = await self.superuser.fetch(_CLAIMABLE)
        assert left == []
        return True

    async def has_done_everything(self) -> bool:
        await self._expire()
        return await self.superuser.fetchval(_UNFINISHED) == 0

    async def _expire(self) -> None:
        await self.superuser.execute(_EXPIRE, self.claims)

    def _new_claim(self) -> UUID:
        self.claims.append(new_id())
        return self.claims[-1]


@pytest.fixture
def other(start, database, superuser) -> Other:
    return Other(start, database, superuser)


def assert_nothing_went_back(history) -> None:
    for rows in history.values():
        done = [row["done"] for row in rows if row["done"] is not None]
        assert done == sorted(done)
        assert [row["finished"] for row in rows].count(True) == 1


class TestARunner:
    @pytest.mark.parametrize(
        ("blow", "outcome", "stride"), [("kill", "killed", 1), ("pause", "stopped", 2), ("cancel", "hit", 4)]
    )
    async def test_that_is_hit_at_any_step_leaves_a_job_that_another_finishes_once(
        self, blow, outcome, stride, groups, workers, history, superuser, other
    ):
        async for kinds in groups(blow, 1 if LONG else stride):
            async with other.running(kinds):
                await eventually(other.has_done_what_it_can, within=30)
                await workers.ask("go on")
                await eventually(other.has_done_everything, within=30)

        rows = await superuser.fetch(_PAGES)
        assert {row["state"] for row in rows} == {"succeeded"}
        assert [row["kind"] for row in rows if row["pages"] != list(range(PAGES))] == []
        assert max(row["attempts"] for row in rows) <= 3
        assert workers.found[outcome] >= 12
        assert workers.found["failed"] == 0
        assert_nothing_went_back(await history())

    async def test_that_leaves_at_any_step_has_finished_or_handed_back(
        self, groups, workers, history, superuser, other
    ):
        async for kinds in groups("leave", 1 if LONG else 4):
            assert await superuser.fetchval("select count(*) from auth.jobs where state = 'running'") == 0
            async with other.running(kinds):
                await eventually(other.has_done_everything, within=30)

        rows = await superuser.fetch(_PAGES)
        assert {(row["state"], row["attempts"]) for row in rows} == {("succeeded", 1)}
        assert [row["kind"] for row in rows if row["pages"] != list(range(PAGES))] == []
        assert workers.found["hit"] >= 12
        assert_nothing_went_back(await history())


class TestAJob:
    async def test_that_is_cancelled_at_any_step_stops_where_its_checkpoint_says(
        self, groups, workers, history, superuser
    ):
        async for _ in groups("ask", 1 if LONG else 4):
            assert await superuser.fetchval(_UNFINISHED) == 0

        rows = await superuser.fetch(_PAGES)
        assert {row["state"] for row in rows} == {"cancelled", "succeeded"}
        assert [row["kind"] for row in rows if row["pages"] != list(range(row["done"]))] == []
        assert workers.found["hit"] >= 12
        assert_nothing_went_back(await history())
