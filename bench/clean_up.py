"""Logins while a million dead rows are deleted, against logins with nothing beside them, in turn.

How many rows, and how many times as long as it works the deleting rests, may follow.
"""

import asyncio
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import uvloop

from auth_service.domain.passwords import HashingCost, Passwords
from auth_service.usecases.clean_up import REST, CleanUp, ask_for_clean_up
from bench._report import median, report
from bench._servers import worker_database
from bench.auth import PASSWORD, durable, load, opened
from common.jobs import Runner
from common.postgres.context import Context
from common.postgres.engine import Database
from tests.support.accounts import add_user

ROWS, ROUNDS, CLIENTS, USERS = 1_000_000, 7, 4, 50

_SESSIONS = """
    insert into auth.authentication_sessions
        (id, user_id, created_at, expires_at, ends_at, amr, auth_time, is_active, revoked_at)
    select gen_random_uuid(), $1, now() - interval '90 days', now() - interval '30 days',
           now() - interval '30 days', '{pwd}', now() - interval '90 days', n % 2 = 0,
           case when n % 2 = 1 then now() - interval '40 days' end
    from generate_series(1, $2::int) as n
"""
_LINKS = """
    insert into auth.mail_links (id, user_id, purpose, expires_at)
    select gen_random_uuid(), $1, 'reset_password', now() - interval '30 days'
    from generate_series(1, $2::int)
"""
_LEFT = """
    select exists (select from auth.authentication_sessions where expires_at < now())
        or exists (select from auth.mail_links where expires_at < now())
"""
"""Not counted: looking at a million rows again and again would be measured, too."""


class Deleting:
    """Jobs of deleting, one after the other until nothing is left; they go on only while told to."""

    def __init__(self, worker: Database, root: asyncpg.Connection, rest: float) -> None:
        self._worker = worker
        self._root = root
        self._may = asyncio.Event()
        self._rest = rest
        self.seconds = 0.0
        """How long it was allowed to."""
        self._running = asyncio.create_task(self._run())

    @contextmanager
    def allowed(self) -> Generator[None]:
        self._may.set()
        began = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - began
        self._may.clear()

    async def finished(self) -> None:
        with self.allowed():
            await self._running

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._rest / REST)
        await self._may.wait()

    async def _run(self) -> None:
        stop = asyncio.Event()
        kind = CleanUp(self._worker, kept=timedelta(days=7), pause=self._pause).kind()
        runner = asyncio.create_task(Runner(self._worker, [kind], poll_seconds=0.05).run(stop))
        while await self._root.fetchval(_LEFT):
            await self._may.wait()
            async with self._worker.transaction(as_user=Context.SYSTEM) as tx:
                await ask_for_clean_up(tx)
            await asyncio.sleep(1)
        stop.set()
        await runner


async def _jobs(root: asyncpg.Connection) -> Sequence[asyncpg.Record]:
    return await root.fetch("select result from auth.jobs where kind = 'clean_up' and result is not null")


async def main(rows: int, rest: float) -> None:
    stored = Passwords(HashingCost()).hash(PASSWORD)
    alone: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []
    async with opened() as (installation, root, _, base), durable(root):
        emails = [f"bench-{index}@example.org" for index in range(USERS)]
        users = [await add_user(root, email=email, hashed_password=stored) for email in emails]
        credentials = [{"email": email, "password": PASSWORD} for email in emails]
        await root.execute(_SESSIONS, users[0], rows // 2)
        await root.execute(_LINKS, users[0], rows - rows // 2)
        await root.execute("analyze auth.authentication_sessions; analyze auth.mail_links")
        worker = worker_database(installation, "auth")
        deleting = Deleting(worker, root, rest)
        for _ in range(ROUNDS):
            alone.append(await load("login", base, credentials, CLIENTS))
            with deleting.allowed():
                beside.append(await load("login", base, credentials, CLIENTS))
        left = await root.fetchval(_LEFT)
        await deleting.finished()
        told = await _jobs(root)
        await worker.close()
    pairs = [round(its["p99_ms"] / other["p99_ms"], 3) for its, other in zip(beside, alone, strict=True)]
    report(
        "clean_up",
        f"logins by {CLIENTS} clients while {rows:,} dead rows are deleted, and while that waits, in turn",
        [
            {
                "when": when,
                "logins/s (median)": median([run["rate"] for run in runs]),
                "p50 ms": median([run["p50_ms"] for run in runs]),
                "p99 ms": median([run["p99_ms"] for run in runs]),
            }
            for when, runs in (("nothing beside", alone), ("deleting beside", beside))
        ],
        goal="p99 within 20 % of that with nothing beside",
        p99_beside_of_alone=median(pairs),
        p99_beside_of_alone_by_round=pairs,
        deleting_through_all_rounds=left,
        rests_times_what_it_works=rest,
        fsync=True,
        rows_deleted=rows,
        rows_per_second=round(rows / deleting.seconds),
        jobs=len(told),
    )


if __name__ == "__main__":
    arguments = sys.argv[1:]
    uvloop.run(
        main(
            int(arguments[0]) if arguments else ROWS,
            float(arguments[1]) if len(arguments) > 1 else REST,
        )
    )
