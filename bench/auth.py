"""auth's api and PostgreSQL on one core, its clients on another: sign in, ask, refresh, all at once.

The test stack's servers with a database of its own; PostgreSQL and PgBouncer are held on the api's core for
as long as it lasts, unless `--anywhere` says to leave them where they are.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import psutil
import uvloop

from auth_service.domain.key_rotation import Rotation
from auth_service.domain.passwords import HashingCost, Passwords
from auth_service.settings import AuthWorkerSettings
from auth_service.usecases.rotate_signing_keys import rotate_signing_keys
from bench._auth_load import Connection
from bench._report import report
from bench._servers import servers, superuser, worker_database
from bench.profile_me import free_port
from common.clock import utc_now
from common.ids import new_id
from common.postgres.context import Context
from tests.support.accounts import add_user
from tests.support.installation import Installation
from tests.support.processes import Started, started

PASSWORD = "correct horse battery"
USERS, CHAINS, SESSIONS, CLIENTS = 200, 64, 50, 50
SECONDS = 8.0
LATER_SECONDS = 15.0
SERVER, CLIENT = 0, 1
LIMITS = dict.fromkeys(("login", "step_up"), "1000000/1")


@contextmanager
def held(pids: Sequence[int], core: int) -> Iterator[None]:
    """On one core, with all their threads, and wherever they were before when it is over."""
    processes = [process for pid in pids for process in family(psutil.Process(pid))]
    before = [(process, process.cpu_affinity()) for process in processes]
    try:
        for process in processes:
            process.cpu_affinity([core])
        yield
    finally:
        for process, cores in before:
            if process.is_running():
                process.cpu_affinity(cores)


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def listener(port: int) -> list[int]:
    return [
        one.pid
        for one in psutil.net_connections("tcp")
        if one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN and one.pid
    ][:1]


async def database_pids(installation: Installation, root: asyncpg.Connection) -> list[int]:
    backend = psutil.Process(await root.fetchval("select pg_backend_pid()"))
    postmaster = backend.parent()
    url = installation.database_settings("auth", "api").url.get_secret_value()
    pooler = listener(int(url.rpartition(":")[2].partition("/")[0]))
    return [*([] if postmaster is None else [postmaster.pid]), *pooler]


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


def raw_verifies(stored: str) -> float:
    """A second, one after the other, on the server's core with nothing beside them."""
    passwords, before = Passwords(HashingCost()), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER})
    try:
        began, number = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS / 2:
            passwords.matches(PASSWORD, stored)
            number += 1
        return number / (time.perf_counter() - began)
    finally:
        os.sched_setaffinity(0, before)


@asynccontextmanager
async def opened() -> AsyncGenerator[tuple[Installation, asyncpg.Connection, Started, str]]:
    """auth's api alone, with a signing key."""
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


async def main() -> None:
    anywhere = "--anywhere" in sys.argv[1:]
    stored = Passwords(HashingCost()).hash(PASSWORD)
    async with opened() as (installation, root, api, base):
        emails = [f"bench-{index}@example.org" for index in range(USERS)]
        for email in emails:
            await add_user(root, email=email, hashed_password=stored)
        credentials = [{"email": email, "password": PASSWORD} for email in emails]
        pids = [api.process.pid, *([] if anywhere else await database_pids(installation, root))]
        raw = raw_verifies(stored)
        with held(pids, SERVER):
            signed_in = await sign_in(base, emails[: max(CHAINS, SESSIONS)])
            access = [one["access_token"] for one in signed_in]
            refresh = [one["refresh_token"] for one in signed_in]
            rows = [
                row("GET /auth/me, 8 clients", await load("check", base, access[:8], 8), "1,300/s"),
                row("refresh, 64 chains", await load("refresh", base, refresh[:CHAINS], CHAINS), "350/s"),
                row("login, 16 clients", logins := await load("login", base, credentials, 16), "0.9 of raw"),
            ]
            beside, _ = await asyncio.gather(
                load("check", base, access[:4], 4, pause_seconds=0.02),
                load("login", base, credentials, 16),
            )
            rows.append(row("GET /auth/me while 16 log in", beside, "p99 < 10 ms"))
            fresh = await sign_in(base, emails[:SESSIONS])
            tokens = [one["refresh_token"] for one in fresh]
            many = await load("contention", base, tokens, CLIENTS)
            rows.append(row("50 clients, one token, 50 sessions", many, "p99 < 500 ms, 0 lost, 0 of 5xx"))
            lost = await lost_replies(base, (await sign_in(base, emails[-1:]))[0])
    report(
        "auth",
        "auth's api and PostgreSQL on one core, clients on the other",
        rows,
        hashing=vars(HashingCost()),
        raw_verifies_per_second=round(raw, 1),
        logins_of_raw=round(logins["rate"] / raw, 3),
        sessions_lost=many["sessions lost"],
        most_successors_of_a_token=many["most successors"],
        lost_reply=lost,
        pinned=not anywhere,
    )
    sys.stdout.write(
        f"argon2id {vars(HashingCost())}: {raw:.1f} verifies/s raw, "
        f"logins are {logins['rate'] / raw:.2f} of it\n"
        f"one token, {CLIENTS} clients: {many['sessions lost']} sessions lost, "
        f"{many['most successors']} successor of a token; lost reply: {lost}\n"
    )


def row(what: str, found: dict[str, Any], goal: str) -> dict[str, Any]:
    return {
        "what": what,
        "per second": float(found["rate"]),
        "p50 ms": float(found["p50_ms"]),
        "p99 ms": float(found["p99_ms"]),
        "answers": " ".join(f"{status}: {number}" for status, number in sorted(found["statuses"].items())),
        "goal": goal,
    }


if __name__ == "__main__":
    uvloop.run(main())
