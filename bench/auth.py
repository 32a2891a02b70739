"""auth's api and PostgreSQL on one core, its clients on another: sign in, ask, refresh, all at once.

The test stack's servers with a database of its own; PostgreSQL and PgBouncer are held on the api's core for
as long as it lasts, unless `--anywhere` says to leave them where they are.
"""

import asyncio
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import uvloop

from auth_service.domain.key_rotation import Rotation
from auth_service.domain.passwords import HashingCost, Passwords
from auth_service.settings import AuthWorkerSettings
from auth_service.usecases.rotate_signing_keys import rotate_signing_keys
from bench._auth_load import Connection
from bench._core import Spending, held, servers_of
from bench._report import report
from bench._servers import durable, servers, superuser, worker_database
from common.clock import utc_now
from common.ids import new_id
from common.postgres.context import Context
from tests.support.accounts import add_user
from tests.support.installation import Installation
from tests.support.ports import free_port
from tests.support.processes import Started, started

PASSWORD = "correct horse battery"
USERS, CHAINS, SESSIONS, CLIENTS, BURST = 200, 64, 50, 50, 200
SECONDS = 8.0
LATER_SECONDS = 15.0
ROUNDS, ROUND_SECONDS = 9, 3.0
RAW_SECONDS = 1.0
COST = HashingCost()
DEARER = replace(COST, passes=2 * COST.passes)
"""What a login takes beside its hash stays the same: how much of the ratio is the hash's cheapness."""
SERVER, CLIENT = 0, 1
LIMITS = dict.fromkeys(("login", "step_up"), "1000000/1")


async def load(work: str, base: str, with_: Sequence[Any], connections: int, **more: Any) -> dict[str, Any]:
    told = {"work": work, "base": base, "with": with_, "connections": connections, "seconds": SECONDS, **more}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench._auth_load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    psutil.Process(process.pid).cpu_affinity([CLIENT])
    answer, _ = await process.communicate(json.dumps(told).encode())
    if process.returncode != 0:
        raise SystemExit(f"the clients of {work} failed")
    return json.loads(answer)


def raw_verifies(stored: str) -> tuple[float, float]:
    """A second, and the processor's milliseconds of one; on the server's core, with nothing beside them."""
    passwords, before = Passwords(COST), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER})
    try:
        began, spent, number = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < RAW_SECONDS:
            passwords.matches(PASSWORD, stored)
            number += 1
        took, spent = time.perf_counter() - began, time.process_time() - spent
        return number / took, 1000 * spent / number
    finally:
        os.sched_setaffinity(0, before)


@asynccontextmanager
async def opened(
    cost: HashingCost = COST,
) -> AsyncGenerator[tuple[Installation, asyncpg.Connection, Started, str]]:
    """auth's api alone, with a signing key; whoever ends the bench ends it, too."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with servers() as (installation, _), superuser(installation) as root, AsyncExitStack() as running:
        os.environ |= installation.environment("auth", "worker")
        settings = AuthWorkerSettings()  # type: ignore[call-arg]  # from the environment
        worker = worker_database(installation, "auth")
        async with worker.transaction(as_user=Context.SYSTEM) as tx:
            cipher = settings.keys.cipher(settings.environment)
            await rotate_signing_keys(tx, cipher, Rotation(), now=utc_now(), new_id=new_id)
        await worker.close()
        port = free_port()
        told = {
            "HTTP_RATE_LIMITS": json.dumps(LIMITS),
            "INTERNAL_PORT": str(port),
            # as many as the core can do, at the price of an installation: the test stack hashes more cheaply
            "HASHING_AT_ONCE": "1",
            "HASHING_MEMORY_KIB": str(cost.memory_kib),
            "HASHING_PASSES": str(cost.passes),
            "TOKEN_JWKS_URL": f"https://127.0.0.1:{port}/.well-known/jwks.json",
            "TELEMETRY_LOG_LEVEL": "warning",
        }
        # without a worker beside it the api says that it is not well, and serves
        api = await running.enter_async_context(started(installation, "auth", "api", **told))
        yield installation, root, api, f"{api.url}/api/v1/auth"


async def sign_in(base: str, emails: Sequence[str]) -> list[dict[str, Any]]:
    connection = Connection(base)
    await connection.open()
    return [
        await connection.ask("POST", "/login", body={"email": email, "password": PASSWORD})
        for email in emails
    ]


async def lost_replies(base: str, login: dict[str, Any]) -> dict[str, Any]:
    connection = Connection(base)
    await connection.open()

    async def refresh(token: str) -> str | None:
        answer = await connection.ask("POST", "/token/refresh", body={"refresh_token": token})
        return answer.get("refresh_token")

    first = login["refresh_token"]
    successor = await refresh(first)
    at_once = await refresh(first)
    await asyncio.sleep(LATER_SECONDS)
    later = await refresh(first)
    newest = await refresh(str(later))
    await refresh(str(newest))
    await refresh(first)
    began = time.perf_counter()
    refused = False
    while not refused:
        answer = await connection.ask("GET", "/me", token=login["access_token"])
        refused = answer.get("code") == "token.revoked"
    return {
        "same successor at once": at_once == successor,
        f"same successor after {LATER_SECONDS:g} s": later == successor,
        "refused after reuse, ms": round(1000 * (time.perf_counter() - began)),
    }


class Bench:
    """One installation, and the rows that were measured on it."""

    def __init__(self, base: str, spending: Spending, stored: str) -> None:
        self.base = base
        self._stored = stored
        self.rows: list[dict[str, Any]] = []
        self._spending = spending

    async def run(
        self, what: str, goal: str, work: str, with_: Sequence[Any], connections: int, **more: Any
    ) -> dict[str, Any]:
        await self._spending.begin()
        found = await load(work, self.base, with_, connections, **more)
        spent = await self._spending.milliseconds(sum(found["statuses"].values()))
        self.rows.append(row(what, found, spent, goal))
        return found | {"spent_ms": sum(spent.values())}

    async def in_rounds(
        self, what: str, goal: str, work: str, with_: Sequence[Any], connections: int
    ) -> tuple[list[dict[str, Any]], list[tuple[float, float]]]:
        """Raw verifies before, between and after them tell how fast the machine was; the median has a row."""
        raw, rounds, first = [raw_verifies(self._stored)], [], len(self.rows)
        for _ in range(ROUNDS):
            rounds.append(await self.run(what, goal, work, with_, connections, seconds=ROUND_SECONDS))
            raw.append(raw_verifies(self._stored))
        ranked = sorted(self.rows[first:], key=lambda one: one["per second"])
        slowest, fastest = ranked[0]["per second"], ranked[-1]["per second"]
        self.rows[first:] = [ranked[ROUNDS // 2] | {"what": f"{what}: {slowest:,.0f} to {fastest:,.0f}"}]
        return rounds, raw


async def burst(bench: Bench, credentials: Sequence[Any], api: int) -> dict[str, Any]:
    """Logins that come all at once, and the api's memory before, at its highest and after."""
    before = resident_mib(api)
    found = await bench.run(f"{BURST} logins at once", "503 with Retry-After", "burst", credentials, BURST)
    return {
        "answers": found["statuses"],
        "503 without Retry-After": found["without_advice"],
        "RSS before, MiB": before,
        "RSS after, MiB": resident_mib(api),
        "RSS at its highest, MiB": resident_mib(api, "VmHWM"),
    }


def resident_mib(pid: int, which: str = "VmRSS") -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(f"{which}:")) / 1024)


async def users(root: asyncpg.Connection, stored: str) -> list[str]:
    emails = [f"bench-{index}@example.org" for index in range(USERS)]
    for email in emails:
        await add_user(root, email=email, hashed_password=stored)
    return emails


async def compared(bench: Bench, what: str, goal: str, credentials: Sequence[Any]) -> dict[str, Any]:
    """Each round by the raw verifies right before and after it: the speed changes within seconds."""
    rounds, raw = await bench.in_rounds(what, goal, "login", credentials, 16)
    ratios = [
        2 * one["rate"] / (before[0] + after[0])
        for one, before, after in zip(rounds, raw[:-1], raw[1:], strict=True)
    ]
    return {
        "logins_per_second": [round(one["rate"], 1) for one in rounds],
        "raw_verifies_per_second": [round(rate, 1) for rate, _ in raw],
        "processor_ms_of_a_login": [round(one["spent_ms"], 2) for one in rounds],
        "processor_ms_of_a_raw_verify": [round(spent, 2) for _, spent in raw],
        "logins_of_raw": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


async def measured(bench: Bench, root: asyncpg.Connection, stored: str, api: int) -> dict[str, Any]:
    """Everything, in the order that leaves the api least changed for what comes after."""
    emails = await users(root, stored)
    credentials = [{"email": email, "password": PASSWORD} for email in emails]
    signed_in = await sign_in(bench.base, emails[: max(CHAINS, SESSIONS)])
    access = [one["access_token"] for one in signed_in]
    _, beside_checks = await bench.in_rounds("GET /auth/me, 8 clients", "1,300/s", "check", access[:8], 8)
    refresh = [one["refresh_token"] for one in signed_in]
    await bench.run("refresh, 64 chains", "350/s", "refresh", refresh[:CHAINS], CHAINS)
    ratio = await compared(bench, "login, 16 clients", "0.9 of raw", credentials)
    beside, _ = await asyncio.gather(
        load("check", bench.base, access[:4], 4, pause_seconds=0.02),
        load("login", bench.base, credentials, 16),
    )
    bench.rows.append(row("GET /auth/me while 16 log in", beside, {}, "p99 < 10 ms"))
    tokens = [one["refresh_token"] for one in await sign_in(bench.base, emails[:SESSIONS])]
    many = await bench.run(
        *("50 clients, one token, 50 sessions", "p99 < 500 ms, 0 lost, 0 of 5xx"),
        *("contention", tokens, CLIENTS),
    )
    memory = await burst(bench, credentials, api)
    return {
        "raw_verifies_per_second_beside_checks": [round(rate, 1) for rate, _ in beside_checks],
        **ratio,
        "sessions_lost": many["sessions lost"],
        "most_successors_of_a_token": many["most successors"],
        "lost_reply": await lost_replies(bench.base, (await sign_in(bench.base, emails[-1:]))[0]),
        "burst": memory,
    }


async def on_one_core(
    around: AsyncExitStack, cost: HashingCost, stored: str, *, anywhere: bool
) -> tuple[Bench, asyncpg.Connection, int]:
    installation, root, api, base = await around.enter_async_context(opened(cost))
    postmaster, pooler = await servers_of(installation, root)
    if not anywhere:
        await around.enter_async_context(durable(root))
        around.enter_context(held([api.process.pid, postmaster, pooler], SERVER))
    return Bench(base, Spending(root, api.process.pid, pooler), stored), root, api.process.pid


async def main() -> None:
    anywhere = "--anywhere" in sys.argv[1:]
    async with AsyncExitStack() as around:
        stored = Passwords(COST).hash(PASSWORD)
        bench, root, api = await on_one_core(around, COST, stored, anywhere=anywhere)
        found = await measured(bench, root, stored, api)
    async with AsyncExitStack() as around:
        stored = Passwords(DEARER).hash(PASSWORD)
        again, root, _ = await on_one_core(around, DEARER, stored, anywhere=anywhere)
        credentials = [{"email": email, "password": PASSWORD} for email in await users(root, stored)]
        dearer = await compared(again, "login, its hash twice as dear", "told", credentials)
    told = {"hashing": vars(COST)}
    found |= {"twice_as_dear": vars(DEARER) | dearer}
    report(
        "auth",
        "auth's api, PgBouncer and PostgreSQL on one core, clients on the other",
        [*bench.rows, *again.rows],
        **told,
        **found,
        pinned=not anywhere,
        fsync=not anywhere,
        elsewhere="Redis and Kafka are left where they are",
    )
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in (told | found).items()))


def row(what: str, found: dict[str, Any], spent: dict[str, float], goal: str) -> dict[str, Any]:
    return {
        "what": what,
        "per second": float(found["rate"]),
        "p50 ms": float(found["p50_ms"]),
        "p99 ms": float(found["p99_ms"]),
        "processor ms: api + pooler + PostgreSQL": " + ".join(f"{value:.2f}" for value in spent.values()),
        "answers": " ".join(f"{status}: {number}" for status, number in sorted(found["statuses"].items())),
        "goal": goal,
    }


if __name__ == "__main__":
    uvloop.run(main())
