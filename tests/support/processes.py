"""Real processes of the services on a test worker's share of the servers, started and ended by a test."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from quartet_cli.stack.table import ENTRIES
from tests.support.installation import Installation, Process
from tests.support.ports import held_base
from tests.support.repository import ROOT
from tests.support.waiting import eventually

START_SECONDS = 180.0
PACKAGES = {entry.name: entry.package for entry in ENTRIES}


@dataclass
class Started:
    process: asyncio.subprocess.Process
    url: str
    probe: httpx.AsyncClient
    output: list[str] = field(default_factory=list[str])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def status(self, probe: str) -> int | None:
        """None when nobody answers, which is as good as a 503 to whoever restarts."""
        try:
            return (await self.probe.get(f"/{probe}")).status_code
        except httpx.TransportError:
            return None

    async def ready(self) -> bool:
        assert self.process.returncode is None, self.output[-5:]
        assert await self.status("readyz") == 200, self.output[-5:]
        return True

    async def ended(self, within: float) -> int:
        async with asyncio.timeout(within):
            return await self.process.wait()

    def said(self, event: str) -> dict[str, Any] | None:
        """The first line of its log about this."""
        lines: list[dict[str, Any]] = [json.loads(line) for line in self.output if line.startswith("{")]
        return next((line for line in lines if line.get("event") == event), None)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.output.append(line.decode(errors="replace"))


@asynccontextmanager
async def started(
    installation: Installation, service: str, process: Process, *, module: str = "", **environment: str
) -> AsyncGenerator[Started]:
    """Ready when this begins; gone, with whatever signal it takes, when it ends."""
    with held_base() as base:
        async with _at(base, installation, service, process, module, environment) as one:
            yield one


@asynccontextmanager
async def _at(
    base: int,
    installation: Installation,
    service: str,
    process: Process,
    module: str,
    environment: dict[str, str],
) -> AsyncGenerator[Started]:
    ports = {"HTTP_PORT": base, "INTERNAL_PORT": base + 1, "PROBE_PORT": base + 2}
    told = installation.environment(service, process) | {name: str(port) for name, port in ports.items()}
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    own = f"{PACKAGES[service]}.{'app' if process == 'api' else 'worker'}"
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module or own),
        cwd=ROOT,
        env=told | environment | inherited,
        stdout=PIPE,
        stderr=STDOUT,
        # of one line
        limit=1_048_576,
    )
    url, probe_url = (f"http://127.0.0.1:{ports[name]}" for name in ("HTTP_PORT", "PROBE_PORT"))
    async with httpx.AsyncClient(base_url=probe_url, trust_env=False, verify=False, timeout=20) as probe:
        one = Started(running, url, probe)
        listening = asyncio.create_task(one.listen())
        try:
            await eventually(one.ready, within=START_SECONDS, every=0.1)
            yield one
        finally:
            if running.returncode is None:
                running.kill()
            await running.wait()
            await listening
