"""A second process of a service, started by a test beside the stack's own one and ended with it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from quartet_cli.stack import Stack
from quartet_cli.stack.table import ENTRIES
from tests.support.installation import Process
from tests.support.parts import probe
from tests.support.ports import held_base
from tests.support.waiting import eventually

START_SECONDS = 180.0
INHERITED = ("PATH", "PYTHONPATH")
"""The second one so that a copy of the sources can be tried that lacks a guard."""
FOLDERS = {entry.name: entry.folder for entry in ENTRIES}
PACKAGES = {entry.name: entry.package for entry in ENTRIES}


@dataclass(frozen=True)
class Instance:
    """The same program and environment as the stack's own process, on ports of its own."""

    name: str
    process: asyncio.subprocess.Process
    url: str
    probe_url: str

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ready(self) -> None:
        await eventually(lambda: _answers(self), within=START_SECONDS, every=0.1)

    async def ended(self, within: float = 30.0) -> int:
        """The exit code."""
        async with asyncio.timeout(within):
            return await self.process.wait()


async def _answers(instance: Instance) -> bool:
    assert instance.process.returncode is None, f"{instance.name} ended with {instance.process.returncode}"
    return await probe(instance.probe_url, "readyz") == 200


@asynccontextmanager
async def beside(
    stack: Stack, service: str, process: Process, **environment: str
) -> AsyncGenerator[Instance]:
    """Ready when this begins; gone, with whatever signal it takes, when it ends."""
    with held_base() as base:
        async with _at(base, stack, service, process, environment) as instance:
            yield instance


@asynccontextmanager
async def _at(
    base: int, stack: Stack, service: str, process: Process, environment: dict[str, str]
) -> AsyncGenerator[Instance]:
    ports = {"HTTP_PORT": base, "INTERNAL_PORT": base + 1, "PROBE_PORT": base + 2}
    told = stack.process_environment(service, process)
    told |= {name: str(port) for name, port in ports.items()} | environment
    module = "app" if process == "api" else "worker"
    name = f"{service}-{process}-beside"
    with stack.log(name).open("ab") as log:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{PACKAGES[service]}.{module}"),
            cwd=stack.checkout / FOLDERS[service],
            env=told | {name: os.environ[name] for name in INHERITED if name in os.environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    url, probe_url = (f"http://127.0.0.1:{ports[port]}" for port in ("HTTP_PORT", "PROBE_PORT"))
    instance = Instance(name, started, url, probe_url)
    try:
        await instance.ready()
        yield instance
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGCONT)
            started.kill()
            await started.wait()


async def metric(probe_url: str, name: str, **labels: str) -> float | None:
    """The sum over all samples with these labels; None when the process does not answer."""
    found = await samples(probe_url, name, **labels)
    return None if found is None else sum(sample.value for sample in found)


async def samples(probe_url: str, name: str, **labels: str) -> list[Sample] | None:
    """With these labels and any others; None when the process does not answer."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20) as client:
        try:
            text = (await client.get(f"{probe_url}/metrics")).text
        except httpx.TransportError:
            return None
    return [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
