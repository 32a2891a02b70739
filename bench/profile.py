"""`GET /profile/me` against a bare handler with the same SQL, 304 against 200, changes at half load, indexes.

One run on the test stack's servers, with fsync as users have it: the ratios are measured in turn, and the
indexes in a database of their own.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import uvloop

from bench._profile_api import ProfileApi, profile_api
from bench._profile_indexes import ROWS, indexes_on_and_off
from bench._report import median, report
from bench._servers import durable
from tests.support.ports import free_port

ROUNDS = 5
SECONDS = 3.0
CONNECTIONS = 8
WRITING_SECONDS = 8.0
PROCESSOR = "processor ms: api + pooler + PostgreSQL"
Load = dict[str, float]
SAME, OURS, UNCHANGED, NONE = (
    "bare, same transaction and role",
    "GET /profile/me",
    "GET /profile/me, 304",
    "bare, no transaction, no role",
)


@asynccontextmanager
async def bare_server(api: ProfileApi, user_id: str, how: str) -> AsyncGenerator[str]:
    port = free_port()
    environment = os.environ | api.installation.environment("profile", "api")
    environment |= {"BENCH_USER": user_id, "BENCH_SUPERUSER_URL": api.installation.superuser_url()}
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
    if process.returncode != 0:
        raise SystemExit("the clients failed")
    return json.loads(answer)


async def reads(api: ProfileApi) -> list[dict[str, object]]:
    user_id, token = await api.new_user()
    async with httpx.AsyncClient(trust_env=False) as client:
        tag = (await client.get(api.me, headers={"Authorization": f"Bearer {token}"})).headers["ETag"]
    measured: dict[str, list[Load]] = {}
    spent: dict[str, list[dict[str, float]]] = {}
    async with (
        bare_server(api, str(user_id), "transaction") as same,
        bare_server(api, str(user_id), "autocommit") as none,
    ):
        asked = {
            SAME: (same, ""),
            OURS: (api.me, ""),
            UNCHANGED: (api.me, f"If-None-Match: {tag}"),
            NONE: (none, ""),
        }
        for url, header in asked.values():
            await load(url, token, header=header)
        for _ in range(ROUNDS):
            for name, (url, header) in asked.items():
                await api.spending.begin()
                run = await load(url, token, header=header)
                measured.setdefault(name, []).append(run)
                spent.setdefault(name, []).append(await api.spending.milliseconds(int(run["requests"])))
    return [
        {
            "what": name,
            "requests/s": median([run["rate"] for run in runs]),
            "p50 ms": median([run["p50_ms"] for run in runs]),
            "p99 ms": median([run["p99_ms"] for run in runs]),
            "to the bare one": _ratio(runs, measured[SAME]),
            "to the 200": _ratio(runs, measured[OURS]),
            PROCESSOR: _shown(spent[name]) if name in {OURS, UNCHANGED} else "",
        }
        for name, runs in measured.items()
    ]


async def changes(api: ProfileApi) -> list[dict[str, object]]:
    """As fast as they are taken, and then half as many: each connection changes a profile of its own."""
    tokens = tuple([(await api.new_user())[1] for _ in range(CONNECTIONS)])
    await load(api.me, "", writers=tokens)
    rows: list[dict[str, object]] = []
    rate = 0.0
    for what in ("full", "half"):
        await api.spending.begin()
        run = await load(api.me, "", writers=tokens, seconds=WRITING_SECONDS, rate=rate)
        spent = await api.spending.milliseconds(int(run["requests"]))
        rows.append(
            {
                "what": f"PATCH /profile/me, {what} load",
                "requests/s": run["rate"],
                "p50 ms": run["p50_ms"],
                "p99 ms": run["p99_ms"],
                "to the bare one": "",
                "to the 200": "",
                PROCESSOR: _shown([spent]),
            }
        )
        rate = run["rate"] / 2
    return rows


def _ratio(runs: list[Load], base: list[Load]) -> float:
    return round(median([run["rate"] / other["rate"] for run, other in zip(runs, base, strict=True)]), 3)


def _shown(spent: list[dict[str, float]]) -> str:
    return " + ".join(f"{median([one[who] for one in spent]):.2f}" for who in spent[0])


async def main() -> None:
    async with profile_api() as api, durable(api.root):
        rows = [*await reads(api), *await changes(api)]
        server_url = api.installation.superuser_url("postgres")
    report(
        "profile",
        f"Profiles: {CONNECTIONS} connections, token checked, through PgBouncer with TLS",
        rows,
        goal="200 at least 0.8 of the bare handler with the same transaction and role, 304 at least 1.5 of"
        " the 200, p99 of a change below 30 ms at half load",
        note="the handler without a transaction reads as the superuser, straight from PostgreSQL",
        rounds=ROUNDS,
        seconds=SECONDS,
    )
    report(
        "profile_indexes",
        f"Indexes of {ROWS:,} profiles, on and off; milliseconds of one statement, median",
        await indexes_on_and_off(server_url),
        note="as the superuser and straight from PostgreSQL, without policies: only the index is different",
    )


if __name__ == "__main__":
    uvloop.run(main())
