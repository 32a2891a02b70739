"""A real worker process, hurt in each of the ways that its own probes have to tell."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest

from common.jobs import enqueue
from common.postgres.context import Context
from common.postgres.engine import Database
from tests.integration.health.faulty_worker import BLOCKED_SECONDS, HANGS, STUBBORN, STUCK_SECONDS
from tests.integration.postgres.proxy import Proxy, proxy_to
from tests.support.databases import Databases
from tests.support.factories import user_registered
from tests.support.installation import Installation
from tests.support.instances import metric
from tests.support.pooler import transactions
from tests.support.processes import Started, started
from tests.support.streams import Streams
from tests.support.waiting import eventually, throughout

LONG = (60,) if os.environ.get("QUARTET_TEST_LONG") else ()
"""A grace that the process does not need: it ends two seconds after everything else."""


def faulty_worker(installation: Installation, **environment: str) -> AbstractAsyncContextManager[Started]:
    module = "tests.integration.health.faulty_worker"
    environment = {"DRAIN_DELAY_SECONDS": "1.5"} | environment
    return started(installation, "profile", "worker", module=module, **environment)


async def not_live_because(worker: Started, check: str) -> str | None:
    """What `livez` says of this check while it is the one that fails."""
    answer = await worker.probe.get("/livez?verbose")
    checks = answer.json()["checks"]
    failing = {one["name"]: one["detail"] for one in checks if one["status"] == "failing"}
    return failing[check] if answer.status_code == 503 and failing.keys() == {check} else None


@pytest.fixture
async def worker(installation: Installation, streams: Streams, database: Database) -> AsyncIterator[Started]:
    async with faulty_worker(installation) as running:
        yield running


class TestAProcess:
    async def test_whose_consumer_was_killed_is_not_live_and_ends(self, worker: Started):
        assert await worker.status("livez") == 200

        worker.send(signal.SIGUSR1)

        assert await eventually(lambda: not_live_because(worker, "tasks")) == "ended: consumer"
        assert await worker.ended(within=20) == 1

    async def test_whose_loop_is_blocked_is_not_live(self, worker: Started):
        assert await worker.status("livez") == 200

        worker.send(signal.SIGUSR2)
        # nobody answers as long as it is blocked; then the first answer tells of it
        late = await eventually(lambda: not_live_because(worker, "loop"), within=BLOCKED_SECONDS + 10)

        assert late is not None
        assert late.startswith("the event loop is ")
        await eventually(lambda: lives(worker))

    async def test_whose_partition_is_stuck_is_not_live(self, worker: Started, streams: Streams):
        await streams.send(user_registered())
        await eventually(lambda: has_handled(worker), within=30)
        await throughout(lambda: lives(worker), seconds=STUCK_SECONDS + 1, every=0.1)

        stuck = await streams.send(user_registered(full_name=HANGS))

        said = await eventually(lambda: not_live_because(worker, "progress"), within=20)
        assert said == f"stuck: auth.user.v1/{stuck.partition}"


class TestReadinessOfAProcess:
    async def test_asks_nobody_while_its_answer_is_fresh(self, installation: Installation, worker: Started):
        alias = f"{installation.worker}_profile_probe"

        async def twenty_answers_cost_nothing() -> bool:
            assert await worker.status("readyz") == 200
            before = await transactions(installation.stack, alias)
            assert {await worker.status("readyz") for _ in range(20)} == {200}
            return await transactions(installation.stack, alias) == before

        # an answer may have grown old among the twenty
        await eventually(twenty_answers_cost_nothing, within=20)


class TestAProcessWhoseDatabaseIsGone:
    async def test_lives_on_with_messages_that_it_cannot_handle(
        self, installation: Installation, streams: Streams, database: Database
    ):
        async with AsyncExitStack() as pooler, AsyncExitStack() as running:
            port = installation.stack.ports["pgbouncer"]
            between = await pooler.enter_async_context(proxy_to("127.0.0.1", port))
            faulty = faulty_worker(installation, **through(between, installation))
            worker = await running.enter_async_context(faulty)
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
        async with faulty_worker(installation, **grace) as worker:
            await eventually(lambda: runs_a_job(worker))
            began = asyncio.get_running_loop().time()

            worker.send(signal.SIGTERM)
            code = await worker.ended(within=45)
            took = asyncio.get_running_loop().time() - began

        line = worker.said("drain.gave_up")
        assert line is not None
        assert (code, line["level"]) == (70, "critical")
        assert any(name.startswith(f"body-{STUBBORN}") for name in line["tasks"]), line
        assert took < min(grace_seconds, 20) + 10


async def lives(worker: Started) -> bool:
    return await worker.status("livez") == 200


async def refuses(worker: Started) -> bool:
    return await worker.status("readyz") == 503


async def runs_a_job(worker: Started) -> bool:
    return f'quartet_jobs_running{{kind="{STUBBORN}"}} 1.0' in (await worker.probe.get("/metrics")).text


async def has_handled(worker: Started) -> bool:
    return await metric(str(worker.probe.base_url), "quartet_consumed_total", result="handled") == 1
