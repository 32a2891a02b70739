"""`GET /profile/me` against a bare handler with the same SQL in the same transaction and role."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import uvloop

from bench._report import median, report
from bench._stack import new_user
from quartet_cli.stack import Stack

ROUNDS = 7
SECONDS = 4.0
CONNECTIONS = 8


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


async def load(url: str, token: str) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench._load", url, str(SECONDS), str(CONNECTIONS)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate(f"{token}\n".encode())
    return json.loads(answer)


async def main() -> None:
    stack = Stack.current()
    user_id, token = await new_user(stack)
    ours = f"http://127.0.0.1:{stack.ports['profile-api']}/api/v1/profile/me"
    measured: dict[str, list[dict[str, float]]] = {}
    async with (
        bare_server(stack, user_id, "transaction") as same,
        bare_server(stack, user_id, "autocommit") as none,
    ):
        urls = {
            "bare, same transaction and role": same,
            "GET /profile/me": ours,
            "bare, no transaction, no role": none,
        }
        for url in urls.values():
            await load(url, token)
        for _ in range(ROUNDS):
            for name, url in urls.items():
                measured.setdefault(name, []).append(await load(url, token))
    base = [run["rate"] for run in measured["bare, same transaction and role"]]
    report(
        "profile_me",
        f"GET /profile/me, {CONNECTIONS} connections, token checked, through PgBouncer with TLS",
        [
            {
                "who": name,
                "requests/s (median)": median([run["rate"] for run in runs]),
                "p50 ms": median([run["p50_ms"] for run in runs]),
                "p99 ms": median([run["p99_ms"] for run in runs]),
                "ratio": round(median([run["rate"] / bare for run, bare in zip(runs, base, strict=True)]), 3),
            }
            for name, runs in measured.items()
        ],
        goal="at least 0.8 of the bare handler with the same transaction and role",
        note="the handler without a transaction reads as the superuser, straight from PostgreSQL",
        rounds=ROUNDS,
        seconds=SECONDS,
    )


if __name__ == "__main__":
    uvloop.run(main())
