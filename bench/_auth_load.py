"""Clients of auth in a process of their own: what to do and what came of it are JSON, on stdin and stdout."""

import asyncio
import json
import sys
import time
from collections import Counter
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import uvloop


class Connection:
    """Kept alive; one request at a time."""

    def __init__(self, base: str) -> None:
        self._parts = urlsplit(base)
        self.seconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.without_advice = 0
        """Answers of 503 that do not say when to come back."""

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)

    async def ask(self, method: str, path: str, *, token: str = "", body: Any = None) -> dict[str, Any]:
        encoded = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {self._parts.path}{path} HTTP/1.1\r\nHost: {self._parts.netloc}\r\n"
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(encoded)}\r\n"
        began = time.perf_counter()
        self._writer.write(f"{head}\r\n".encode() + encoded)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        content = await self._reader.readexactly(length)
        self.seconds.append(time.perf_counter() - began)
        self.statuses[answer[9:12].decode()] += 1
        self.without_advice += answer[9:12] == b"503" and b"retry-after:" not in answer.lower()
        return json.loads(content)


async def logins(connection: Connection, mine: list[Any], until: float, pause: float) -> None:
    for credentials in cycle(mine):
        if time.perf_counter() >= until:
            return
        await connection.ask("POST", "/login", body=credentials)
        await asyncio.sleep(pause)


async def checks(connection: Connection, mine: list[Any], until: float, pause: float) -> None:
    for token in cycle(mine):
        if time.perf_counter() >= until:
            return
        await connection.ask("GET", "/me", token=token)
        await asyncio.sleep(pause)


async def one_login(connection: Connection, mine: list[Any], until: float, pause: float) -> None:  # noqa: ARG001 - as the others
    await connection.ask("POST", "/login", body=mine[0])


async def refreshes(connection: Connection, mine: list[Any], until: float, pause: float) -> None:
    token = mine[0]
    while time.perf_counter() < until:
        answer = await connection.ask("POST", "/token/refresh", body={"refresh_token": token})
        token = answer["refresh_token"]
        await asyncio.sleep(pause)


async def contention(connections: list[Connection], tokens: list[str]) -> dict[str, Any]:
    """All of them with the same token, one session after the other."""
    successors: list[int] = []
    lost = 0
    for token in tokens:
        answers = await asyncio.gather(
            *(one.ask("POST", "/token/refresh", body={"refresh_token": token}) for one in connections)
        )
        told = {answer.get("refresh_token") for answer in answers}
        successors.append(len(told))
        after = await connections[0].ask("POST", "/token/refresh", body={"refresh_token": told.pop()})
        lost += "refresh_token" not in after
    return {"most successors": max(successors), "sessions lost": lost}


WORK = {"login": logins, "check": checks, "refresh": refreshes, "burst": one_login}


async def main(told: dict[str, Any]) -> None:
    connections = [Connection(told["base"]) for _ in range(told["connections"])]
    for one in connections:
        await one.open()
    began = time.perf_counter()
    found: dict[str, Any] = {}
    if told["work"] == "contention":
        found = await contention(connections, told["with"])
    else:
        work, number = WORK[told["work"]], len(connections)
        until = began + told["seconds"]
        await asyncio.gather(
            *(
                work(one, told["with"][index::number], until, told.get("pause_seconds", 0.0))
                for index, one in enumerate(connections)
            )
        )
    took = time.perf_counter() - began
    seconds = sorted(second for one in connections for second in one.seconds)
    statuses = sum((one.statuses for one in connections), Counter())
    at = {part: 1000 * seconds[min(len(seconds) - 1, int(len(seconds) * part))] for part in (0.5, 0.99)}
    answer = {"rate": len(seconds) / took, "p50_ms": at[0.5], "p99_ms": at[0.99], "statuses": statuses}
    answer["without_advice"] = sum(one.without_advice for one in connections)
    sys.stdout.write(json.dumps(answer | found))


if __name__ == "__main__":
    uvloop.run(main(json.load(sys.stdin)))
