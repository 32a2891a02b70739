"""A real worker process, hurt in each of the ways that its own probes have to tell."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from common.jobs import enqueue
from common.postgres.context import Context
from common.postgres.engine import Database
from quartet_cli.stack.ports import free_base
from tests.integration.health.faulty_worker import BLOCKED_SECONDS, HANGS, STUBBORN, STUCK_SECONDS
from tests.integration.postgres.proxy import Proxy, proxy_to
from tests.support.databases import Databases
from tests.support.factories import user_registered
from tests.support.installation import Installation
from tests.support.repository import ROOT
from tests.support.streams import Streams
from tests.support.waiting import eventually, throughout

START_SECONDS = 60.0
LONG = (60,) if os.environ.get("QUARTET_TEST_LONG") else ()
"""A grace that the process does not need: it ends two seconds after everything else."""


@dataclass
class Worker:
    process: Process
    client: httpx.AsyncClient
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def status(self, probe: str) -> int | None:
        """None when nobody answers, which is as good as a 503 to whoever restarts."""
        try:
            return (await self.client.get(f"/{probe}")).status_code
        except httpx.TransportError:
            return None

    async def ready(self) -> bool:
        assert self.process.returncode is None, self.lines[-3:]
        assert await self.status("readyz") == 200, self.lines[-5:]
        return True

    async def not_live_because(self, check: str) -> str | None:
        """What `livez` says of this check while it is the one that fails."""
        answer = await self.client.get("/livez?verbose")
        failing = {
            one["name"]: one["detail"] for one in answer.json()["checks"] if one["status"] == "failing"
        }
        return failing[check] if answer.status_code == 503 and failing.keys() == {check} else None

    async def ended(self, within: float) -> int:
        async with asyncio.timeout(within):
            return await self.process.wait()

    def said(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.lines if line.get("event") == event), None)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))


@asynccontextmanager
async def worker_process(installation: Installation, **environment: str) -> AsyncGenerator[Worker]:
    base = free_base()
    told = installation.environment("profile", "worker")
    told |= {"INTERNAL_PORT": str(base), "PROBE_PORT": str(base + 1), "DRAIN_DELAY_SECONDS": "1.5"}
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.health.faulty_worker"),
        cwd=ROOT,
        env=told | environment | inherited,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    url = f"http://127.0.0.1:{base + 1}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=20) as client:
        worker = Worker(process, client)
        listening = asyncio.create_task(worker.listen())
        try:
            await eventually(worker.ready, within=START_SECONDS, every=0.1)
            yield worker
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await listening


@pytest.fixture
async def worker(installation: Installation, streams: Streams, database: Database) -> AsyncIterator[Worker]:
    async with worker_process(installation) as started:
        yield started


class TestAProcess:
    async def test_whose_consumer_was_killed_is_not_live_and_ends(self, worker: Worker):
        assert await worker.status("livez") == 200

        worker.send(signal.SIGUSR1)

        assert await eventually(lambda: worker.not_live_because("tasks")) == "ended: consumer"
        assert await worker.ended(within=20) == 1

    async def test_whose_loop_is_blocked_is_not_live(self, worker: Worker):
        assert await worker.status("livez") == 200

        worker.send(signal.SIGUSR2)
        # nobody answers as long as it is blocked; then the first answer tells of it
        late = await eventually(lambda: worker.not_live_because("loop"), within=BLOCKED_SECONDS + 10)

        assert late is not None
        assert late.startswith("the event loop is ")
        await eventually(lambda: lives(worker))

    async def test_whose_partition_is_stuck_is_not_live(self, worker: Worker, streams: Streams):
        await streams.send(user_registered())
        await eventually(lambda: has_handled(worker), within=30)
        await throughout(lambda: lives(worker), seconds=STUCK_SECONDS + 1, every=0.1)

        stuck = await streams.send(user_registered(full_name=HANGS))

        said = await eventually(lambda: worker.not_live_because("progress"), within=20)
        assert said == f"stuck: auth.user.v1/{stuck.partition}"


class TestAProcessWhoseDatabaseIsGone:
    async def test_lives_on_with_messages_that_it_cannot_handle(
        self, installation: Installation, streams: Streams, database: Database
    ):
        async with AsyncExitStack() as pooler, AsyncExitStack() as started:
            port = installation.stack.ports["pgbouncer"]
            between = await pooler.enter_async_context(proxy_to("127.0.0.1", port))
            worker = await started.enter_async_context(
                worker_process(installation, **through(between, installation))
            )
            await streams.send(user_registered())
            await eventually(lambda: has_handled(worker), within=30)

            await pooler.aclose()
            await streams.send(user_registered())
            await eventually(lambda: refuses(worker), within=20)

            await throughout(lambda: lives(worker), seconds=2 * STUCK_SECONDS + 1, every=0.1)


def through(proxy: Proxy, installation: Installation) -> dict[str, str]:
    """The addresses of the database, past nobody but this proxy."""
    told, port = installation.environment("profile", "worker"), installation.stack.ports["pgbouncer"]
    names = ("DATABASE_URL", "DATABASE_PROBE_URL")
    return {name: told[name].replace(f":{port}/", f":{proxy.port}/") for name in names}


class TestAProcessThatCannotEnd:
    @pytest.mark.parametrize("grace_seconds", [3, *LONG], ids="{} s".format)
    async def test_ends_itself_and_names_what_held_it(
        self, installation: Installation, streams: Streams, databases: Databases, grace_seconds: int
    ):
        async with databases("profile", "worker").transaction(as_user=Context.SYSTEM) as tx:
            await enqueue(tx, STUBBORN, dedupe_key="one", user_id=None, arguments={})
        grace = {"DRAIN_DELAY_SECONDS": "0.2", "DRAIN_GRACE_SECONDS": str(grace_seconds)}
        async with worker_process(installation, **grace) as worker:
            await eventually(lambda: runs_a_job(worker))
            began = asyncio.get_running_loop().time()

            worker.send(signal.SIGTERM)
            code = await worker.ended(within=45)
            took = asyncio.get_running_loop().time() - began

        line = worker.said("drain.gave_up")
        assert line is not None
        assert (code, line["level"]) == (70, "critical")
        assert any(name.startswith(f"body-{STUBBORN}") for name in line["tasks"]), line
        assert took < min(grace_seconds, 20) + 2


async def lives(worker: Worker) -> bool:
    return await worker.status("livez") == 200


async def refuses(worker: Worker) -> bool:
    return await worker.status("readyz") == 503


async def runs_a_job(worker: Worker) -> bool:
    return f'quartet_jobs_running{{kind="{STUBBORN}"}} 1.0' in (await worker.client.get("/metrics")).text


async def has_handled(worker: Worker) -> bool:
    handled = 'quartet_consumed_total{result="handled",topic="auth.user.v1"'
    metrics = (await worker.client.get("/metrics")).text
    return any(line.startswith(handled) for line in metrics.splitlines())
