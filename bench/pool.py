"""How much of its pool an api uses under a given load, and what cancelled requests leave behind."""

import asyncio
import json
import re
import sys
import time

import httpx
import uvloop

from bench._profile_api import ProfileApi, profile_api
from bench._report import at_most, report
from bench._servers import servers, superuser
from common.postgres.engine import Database
from tests.support.leaks import checked_out, open_transactions
from tests.support.storm import Storm

SECONDS = 6.0
CONNECTIONS = 32
PARTS = (0.25, 0.5, 0.75, 1.0)
"""Of the rate that saturates one process."""
TARGET = 0.5
REQUESTS = 100_000
SEED = 1


async def load(url: str, token: str, rate: float | None = None) -> dict[str, float]:
    paced = () if rate is None else (str(rate),)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench._load", url, str(SECONDS), str(CONNECTIONS), *paced),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate(f"{token}\n".encode())
    return json.loads(answer)


async def figures(client: httpx.AsyncClient) -> dict[str, float]:
    """Of the pool that requests use, by the name after `quartet_pool_`, and when they were read."""
    shown = (await client.get("/metrics")).text
    found = re.findall(r'^quartet_pool_(\w+)\{(?:le="0.001",)?pool="main"\} (\S+)$', shown, re.MULTILINE)
    return {name: float(value) for name, value in found} | {"at": time.monotonic()}


async def under_load(api: ProfileApi) -> list[dict[str, object]]:
    _, token = await api.new_user()
    most = (await load(api.me, token))["rate"]
    rows: list[dict[str, object]] = []
    for part in PARTS:
        before = await figures(api.probe)
        took = await load(api.me, token, most * part if part < 1 else None)
        after = await figures(api.probe)
        grown = {name: after[name] - before[name] for name in after}
        in_use = grown["busy_seconds_total"] / (SECONDS * after["capacity"])
        rows.append(
            {
                "load": f"{part:.0%} of the most",
                "requests/s": took["rate"],
                "p99 ms": took["p99_ms"],
                "pool in use %": round(100 * in_use, 1),
                "goal": at_most(100 * in_use, 80) if part == TARGET else "",
                "waited over 1 ms %": round(
                    100 * (1 - grown["wait_seconds_bucket"] / grown["wait_seconds_count"]), 2
                ),
            }
        )
    return rows


async def cancelled(requests: int) -> dict[str, object]:
    """In one process, without HTTP between: each request goes through the application and the real pool."""
    async with servers() as (installation, _), superuser(installation) as onlooker:
        settings = installation.database_settings("auth", "api").model_copy(
            update={"pool_wait_seconds": 60.0}
        )
        database = Database(settings, service="auth", application_name="auth-bench")
        storm = Storm(database, seed=SEED)
        began = time.monotonic()
        await storm.blow(requests)
        took = time.monotonic() - began
        await asyncio.sleep(1)
        left = [*checked_out([database.pool]), *await open_transactions(onlooker)]
        opened = database.pool.opened
        await database.close()
    return {
        "requests": requests,
        "cancelled": storm.ended["cancelled"],
        "seconds": round(took, 1),
        "connections_opened": opened,
        "left_behind": left,
        "goal": at_most(len(left), 0),
    }


async def main(requests: int) -> None:
    async with profile_api() as api:
        rows = await under_load(api)
    after = await cancelled(requests)
    report(
        "pool",
        f"The pool of profile's api, GET /profile/me, {CONNECTIONS} connections",
        rows,
        goal="less than 80 % in use at half of the most; nothing left behind by cancelled requests",
        cancelled_requests=after,
        note="a million cancelled requests are `./quartet test integration --long`",
        seconds=SECONDS,
    )
    print(after)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS))
