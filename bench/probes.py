"""Probes of an api that is saturated: how long they take, and how often they ask the database."""

import asyncio
import json
import sys
import time

import uvloop

from bench._report import at_most, median, report
from bench._stack import new_user
from quartet_cli.stack import Stack
from tests.support.pooler import transactions

SECONDS = 6.0
ROUNDS = 3
CALLERS = 64
PER_SECOND = 25
"""Twenty times what a kubelet asks: most answers come from the cache, as they do there for many callers."""
PROBES = ("livez", "readyz")


async def ask(port: int, probe: str, until: float, milliseconds: list[float]) -> None:
    """At a steady rate, whatever the answers take; each on a connection of its own, as a kubelet does."""
    asked: list[asyncio.Task[None]] = []
    while time.perf_counter() < until:
        asked.append(asyncio.create_task(one(port, probe, milliseconds)))
        await asyncio.sleep(1 / PER_SECOND)
    await asyncio.gather(*asked)


async def one(port: int, probe: str, milliseconds: list[float]) -> None:
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{probe} HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    milliseconds.append(1000 * (time.perf_counter() - began))
    writer.close()
    if b" 200 " not in answer[:16]:
        raise SystemExit(f"{probe}: {answer[:300]!r}")


async def load(url: str, token: str) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench._load", url, str(SECONDS + 1), str(CALLERS)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await process.communicate(f"{token}\n".encode())
    return json.loads(answer)


async def watch(stack: Stack, seconds: float) -> dict[str, list[float]]:
    port, found = stack.ports["profile-api-probe"], {probe: list[float]() for probe in PROBES}
    until = time.perf_counter() + seconds
    await asyncio.gather(*(ask(port, probe, until, found[probe]) for probe in PROBES))
    return found


def at(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


async def main() -> None:
    stack = Stack.current()
    _, token = await new_user(stack)
    url = f"http://127.0.0.1:{stack.ports['profile-api']}/api/v1/profile/me"
    rows: list[dict[str, object]] = []
    idle = await watch(stack, SECONDS)
    busy: dict[str, list[float]] = {probe: [] for probe in PROBES}
    rates: list[float] = []
    for _ in range(ROUNDS):
        loading = asyncio.create_task(load(url, token))
        await asyncio.sleep(0.5)
        for probe, values in (await watch(stack, SECONDS - 0.5)).items():
            busy[probe] += values
        rates.append((await loading)["rate"])
    for state, found in (("idle", idle), (f"{CALLERS} callers, all they can", busy)):
        rows += [
            {
                "probe": probe,
                "the api is": state,
                "p50 ms": at(values, 0.5),
                "p99 ms": at(values, 0.99),
                "most ms": max(values),
                "goal": at_most(at(values, 0.99), 50),
            }
            for probe, values in found.items()
        ]
    asked = await asked_of_the_database(stack)
    report(
        "probes",
        f"Probes of profile's api, {PER_SECOND} a second of each on connections of their own",
        rows,
        goal="p99 under 50 ms while the api is saturated; no query while an answer is fresh",
        requests_per_second=median(rates),
        asked_of_the_database=asked,
        seconds=SECONDS,
        rounds=ROUNDS,
    )


async def asked_of_the_database(stack: Stack) -> dict[str, int]:
    """Through the alias that only probes use: for as long as the load lasts, and while an answer is fresh."""
    port, values = stack.ports["profile-api-probe"], list[float]()
    before, began = await transactions(stack, "profile_probe"), time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        await one(port, "readyz", values)
    after, answers = await transactions(stack, "profile_probe"), len(values)
    await one(port, "readyz", values)
    fresh = await transactions(stack, "profile_probe")
    for _ in range(50):
        await one(port, "readyz", values)
    return {
        "answers": answers,
        "transactions for them": after - before,
        "transactions for 50 answers while fresh": await transactions(stack, "profile_probe") - fresh,
    }


if __name__ == "__main__":
    uvloop.run(main())
