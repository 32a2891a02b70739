"""The processes of a whole stack: looked up, hurt, held down, and waited for until they are well again."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from quartet_cli.stack import Stack
from quartet_cli.supervisor.client import Supervised, SupervisorError
from quartet_cli.supervisor.processes import Identity
from quartet_cli.supervisor.records import left_over, read_json
from quartet_cli.supervisor.resident import IDENTITY
from tests.support.waiting import eventually

SERVERS = ("postgres", "pgbouncer", "redis", "kafka")
APIS = ("auth-api", "profile-api", "calendar-api", "chat-api")
WORKERS = ("auth-worker", "profile-worker", "calendar-worker", "chat-worker")
RECOVERY_SECONDS = 90.0


class Parts:
    """Nothing here starts anything: what is killed comes back because the stack's supervisor sees to it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._supervised = Supervised(folder)

    def running(self) -> dict[str, Identity]:
        """As the supervisor wrote it down; asks nobody, so it also works while the supervisor is held."""
        return {record.name: record.identity for record in left_over(self._folder)}

    def send(self, name: str, number: signal.Signals) -> Identity:
        identity = self.running()[name]
        identity.send(number)
        return identity

    def kill(self, name: str) -> Identity:
        return self.send(name, signal.SIGKILL)

    def backends(self) -> list[Identity]:
        """PostgreSQL's processes that serve a client, in a fixed order."""
        postmaster = self.running().get("postgres")
        if postmaster is None:
            return []
        found: list[Identity | None] = []
        for child in _children(postmaster.pid):
            try:
                if "127.0.0.1(" in " ".join(child.cmdline()):
                    found.append(Identity.of(child.pid))
            except psutil.Error:
                continue
        return sorted((one for one in found if one is not None), key=lambda one: one.pid)

    def probe_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._stack.ports[f'{name}-probe']}"

    async def well(self, *names: str, within: float = RECOVERY_SECONDS) -> None:
        """Every part, or those named, run and answer."""

        async def all_well() -> bool:
            unwell = await self.unwell(names)
            assert unwell == {}, unwell
            return True

        # each look asks every part, PgBouncer by a login for each of its aliases
        await eventually(all_well, within=within, every=1.0)

    async def unwell(self, names: Iterable[str] = ()) -> dict[str, str]:
        chosen = set(names)
        parts = await self._status()
        return {
            part["name"]: f"{part['state']} {part['reason']}"
            for part in parts
            if (not chosen or part["name"] in chosen) and not _is_well(part)
        }

    async def _status(self) -> list[dict[str, Any]]:
        try:
            answer = await asyncio.to_thread(self._supervised.ask, {"verb": "status"})
        except SupervisorError as error:
            raise AssertionError(str(error)) from error
        parts: list[dict[str, Any]] = answer["parts"]
        return parts

    @asynccontextmanager
    async def outage(self, *names: str) -> AsyncGenerator[None]:
        """These parts are dead as long as this lasts: their supervisor is stopped and restarts nothing.

        At the end it goes on, finds them dead and brings them back by itself.
        """
        supervisor = Identity.from_json(read_json(self._folder / IDENTITY))
        supervisor.send(signal.SIGSTOP)
        try:
            killed = [self.kill(name) for name in names]
            await eventually(lambda: not any(one.is_alive() for one in killed))
            yield
        finally:
            supervisor.send(signal.SIGCONT)
            await self.well()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.Error:
        return []


def _is_well(part: dict[str, Any]) -> bool:
    if part["state"] == "done":
        return True
    # one that was killed a moment ago may still be listed as ready
    return part["state"] == "ready" and Identity.of(part["pid"]) is not None


async def probe(url: str, name: str) -> int | None:
    """The status of a probe; None when nobody answers."""
    # without `verify` every client would read all authorities of the machine for a port that has no TLS
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20) as client:
        try:
            return (await client.get(f"{url}/{name}")).status_code
        except httpx.TransportError:
            return None


async def probes(
    parts: Parts, name: str, processes: Iterable[str] = (*APIS, *WORKERS)
) -> dict[str, int | None]:
    """The same probe of several processes."""
    chosen = list(processes)
    answers = await asyncio.gather(*(probe(parts.probe_url(process), name) for process in chosen))
    return dict(zip(chosen, answers, strict=True))
