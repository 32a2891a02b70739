"""`GET /profile/me` against a bare handler with the same SQL, 304 against 200, changes at half load, indexes.

One run, on a running stack: the ratios are measured in turn, and the indexes in a database of their own.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import uvloop

from bench._profile_indexes import ROWS, indexes_on_and_off
from bench._report import median, report
from bench._stack import free_port, new_user
from quartet_cli.stack import Stack

ROUNDS = 5
SECONDS = 3.0
CONNECTIONS = 8
WRITING_SECONDS = 8.0
Load = dict[str, float]
SAME, OURS, UNCHANGED, NONE = (
    "bare, same transaction and role",
    "GET /profile/me",
    "GET /profile/me, 304",
    "bare, no transaction, no role",
)


@asynccontextmanager
async def bare_server(stack: Stack, user_id: str, how: str) -> AsyncGenerator[str]:
    port = free_port()
    environment = os.environ | stack.process_environment("profile", "api")
    environment |= {"BENCH_USER": user_id, "BENCH_SUPERUSER_URL": stack.postgres_url("postgres", "quartet")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench._bare", str(port), how), env=environment
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(20):
            while True:
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/me")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}/me"
    finally:
        process.terminate()
        await process.wait()


async def load(
    url: str,
    token: str,
    *,
    header: str = "",
    writers: tuple[str, ...] = (),
    seconds: float = SECONDS,
    rate: float = 0.0,
) -> Load:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench._load", url, str(seconds), str(CONNECTIONS), str(rate)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate(f"{token}\n{header}\n{' '.join(writers)}\n".encode())
    return json.loads(answer)


async def reads(stack: Stack, ours: str) -> list[dict[str, object]]:
    user_id, token = await new_user(stack)
    async with httpx.AsyncClient() as client:
        tag = (await client.get(ours, headers={"Authorization": f"Bearer {token}"})).headers["ETag"]
    measured: dict[str, list[Load]] = {}
    async with (
        bare_server(stack, user_id, "transaction") as same,
        bare_server(stack, user_id, "autocommit") as none,
    ):
        asked = {
            SAME: (same, ""),
            OURS: (ours, ""),
            UNCHANGED: (ours, f"If-None-Match: {tag}"),
            NONE: (none, ""),
        }
        for url, header in asked.values():
            await load(url, token, header=header)
        for _ in range(ROUNDS):
            for name, (url, header) in asked.items():
                measured.setdefault(name, []).append(await load(url, token, header=header))
    return [
        {
            "what": name,
            "requests/s": median([run["rate"] for run in runs]),
            "p50 ms": median([run["p50_ms"] for run in runs]),
            "p99 ms": median([run["p99_ms"] for run in runs]),
            "to the bare one": _ratio(runs, measured[SAME]),
            "to the 200": _ratio(runs, measured[OURS]),
        }
        for name, runs in measured.items()
    ]


async def changes(stack: Stack, ours: str) -> list[dict[str, object]]:
    """As fast as they are taken, and then half as many: each connection changes a profile of its own."""
    tokens = tuple([(await new_user(stack))[1] for _ in range(CONNECTIONS)])
    full = await load(ours, "", writers=tokens)
    half = await load(ours, "", writers=tokens, seconds=WRITING_SECONDS, rate=full["rate"] / 2)
    return [
        {
            "what": name,
            "requests/s": run["rate"],
            "p50 ms": run["p50_ms"],
            "p99 ms": run["p99_ms"],
            "to the bare one": "",
            "to the 200": "",
        }
        for name, run in (("PATCH /profile/me, full load", full), ("PATCH /profile/me, half load", half))
    ]


def _ratio(runs: list[Load], base: list[Load]) -> float:
    return round(median([run["rate"] / other["rate"] for run, other in zip(runs, base, strict=True)]), 3)


async def main() -> None:
    stack = Stack.current()
    ours = f"http://127.0.0.1:{stack.ports['profile-api']}/api/v1/profile/me"
    report(
        "profile",
        f"Profiles: {CONNECTIONS} connections, token checked, through PgBouncer with TLS",
        [*await reads(stack, ours), *await changes(stack, ours)],
        goal="200 at least 0.8 of the bare handler with the same transaction and role, 304 at least 1.5 of"
        " the 200, p99 of a change below 30 ms at half load",
        note="the handler without a transaction reads as the superuser, straight from PostgreSQL",
        rounds=ROUNDS,
        seconds=SECONDS,
    )
    report(
        "profile_indexes",
        f"Indexes of {ROWS:,} profiles, on and off; milliseconds of one statement, median",
        await indexes_on_and_off(stack.postgres_url("postgres", "postgres")),
        note="as the superuser and straight from PostgreSQL, without policies: only the index is different",
    )


if __name__ == "__main__":
    uvloop.run(main())
