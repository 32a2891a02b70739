"""Logins while a million dead rows are deleted, against logins with nothing beside them."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import uvloop

from auth_service.domain.passwords import HashingCost, Passwords
from auth_service.usecases.clean_up import CleanUp, ask_for_clean_up
from bench._report import median, report
from bench._servers import worker_database
from bench.auth import PASSWORD, durable, load, opened
from common.jobs import Runner
from common.postgres.context import Context
from common.postgres.engine import Database
from tests.support.accounts import add_user

ROWS, ROUNDS, CLIENTS, USERS = 1_000_000, 3, 4, 50

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


async def deleted_beside(worker: Database, root: asyncpg.Connection) -> tuple[list[Any], float]:
    """What the jobs told, one after the other until nothing is left, and how long they took."""
    stop = asyncio.Event()
    runner = Runner(worker, [CleanUp(worker, kept=timedelta(days=7)).kind()], poll_seconds=0.05)
    running = asyncio.create_task(runner.run(stop))
    began = time.perf_counter()
    while await root.fetchval(_LEFT):
        async with worker.transaction(as_user=Context.SYSTEM) as tx:
            await ask_for_clean_up(tx)
        await asyncio.sleep(1)
    took = time.perf_counter() - began
    stop.set()
    await running
    return [json.loads(row["result"]) for row in await _jobs(root)], took


async def _jobs(root: asyncpg.Connection) -> Sequence[asyncpg.Record]:
    return await root.fetch("select result from auth.jobs where kind = 'clean_up' and result is not null")


async def main(rows: int) -> None:
    stored = Passwords(HashingCost()).hash(PASSWORD)
    async with opened() as (installation, root, _, base), durable(root):
        emails = [f"bench-{index}@example.org" for index in range(USERS)]
        users = [await add_user(root, email=email, hashed_password=stored) for email in emails]
        credentials = [{"email": email, "password": PASSWORD} for email in emails]
        alone = [await load("login", base, credentials, CLIENTS) for _ in range(ROUNDS)]
        await root.execute(_SESSIONS, users[0], rows // 2)
        await root.execute(_LINKS, users[0], rows - rows // 2)
        await root.execute("analyze auth.authentication_sessions; analyze auth.mail_links")
        worker = worker_database(installation, "auth")
        deleting = asyncio.create_task(deleted_beside(worker, root))
        beside = [await load("login", base, credentials, CLIENTS)]
        while not deleting.done() and len(beside) < ROUNDS:
            beside.append(await load("login", base, credentials, CLIENTS))
        told, took = await deleting
        await worker.close()
    report(
        "clean_up",
        f"logins by {CLIENTS} clients while {rows:,} dead rows are deleted",
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
        p99_beside_of_alone=round(
            median([run["p99_ms"] for run in beside]) / median([run["p99_ms"] for run in alone]), 3
        ),
        fsync=True,
        rows_deleted=rows,
        rows_per_second=round(rows / took),
        jobs=len(told),
    )


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
