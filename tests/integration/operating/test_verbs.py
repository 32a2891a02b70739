"""The command against a worker's internal port, by the operator's certificate."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import asyncpg
import pytest

from auth_service.storage.tables import PRIVATE_SEALED, SCHEMA
from common.clock import utc_now
from common.crypto import Cipher
from common.crypto.api import keys_router
from common.crypto.rotation import Sealing, rotation_kind
from common.errors import Kind, QuartetError
from common.http.app import create_app
from common.http.serving import Listener, Serving
from common.http.tls import internal_server_tls
from common.jobs import JobKind, Runner, enqueue
from common.jobs.api import router as jobs_router
from common.postgres.context import Context
from common.settings import InternalSettings
from tests.support.cli import quartet
from tests.support.waiting import eventually

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
RING = Cipher({"2026": NEW, "2025": OLD}, active="2026")
AUTH = ("--service", "auth")


@dataclass
class Worker:
    """auth's internal port and its runner, as the worker's process has them."""

    runner: Runner
    stop: asyncio.Event

    async def run(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.runner.run(self.stop))


async def refuses(job, control):
    raise QuartetError("mail.refused", "There is no such address.", kind=Kind.INVALID)


@pytest.fixture
async def worker(installation, database, free_port, monkeypatch, tmp_path) -> AsyncIterator[Worker]:
    stack = installation.stack
    ports = {**stack.ports, "auth-worker-internal": free_port}
    replace(stack, ports=ports).save(tmp_path / "stack.json")
    monkeypatch.setenv("QUARTET_STACK", str(tmp_path / "stack.json"))
    sealing = Sealing(RING, SCHEMA.sealed)
    app = create_app(title="worker", service="auth", root_routers=[jobs_router, keys_router(sealing)])
    app.state.database = database
    app.state.clock = utc_now
    environment = installation.environment("auth", "worker")
    files = {
        name: environment[f"INTERNAL_{name.upper()}"] for name in ("ca_file", "certificate_file", "key_file")
    }
    tls = internal_server_tls(InternalSettings.model_validate({"port": free_port} | files))
    serving = Serving([Listener("internal", app, "127.0.0.1", free_port, tls=tls)])
    kinds = (JobKind("mail", refuses), rotation_kind(database, sealing))
    worker = Worker(Runner(database, kinds, poll_seconds=0.05), asyncio.Event())
    await serving.start()
    running = await worker.run()
    yield worker
    worker.stop.set()
    await running
    await serving.stop("internal", within_seconds=2)


async def audited(superuser: asyncpg.Connection) -> list[tuple[str, str]]:
    rows = await superuser.fetch("select actor, action from auth.audit_log order by id")
    return [tuple(row) for row in rows]


class TestJobs:
    async def test_that_have_failed_are_listed_shown_and_tried_again(self, worker, database, superuser):
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await enqueue(tx, "mail", dedupe_key="m1", user_id=None, arguments={"mail_id": "m1"})
        await eventually(lambda: superuser.fetchval("select state = 'failed' from auth.jobs"))
        listed = await quartet("jobs", "list", "--state", "failed", "--json", *AUTH)
        [job] = json.loads(listed.output)
        shown = json.loads((await quartet("jobs", "show", job["id"], *AUTH)).output)
        again = await quartet("jobs", "retry", job["id"], *AUTH)

        assert (shown["service"], shown["arguments"]) == ("auth", {"mail_id": "m1"})
        assert again.code == 0, again.errors
        assert await audited(superuser) == [("operator", "job.retried")]

    async def test_that_are_not_there_are_no_success(self, worker):
        told = await quartet("jobs", "retry", "01a1ffa4-cee9-76e5-a7a4-021244039577", *AUTH)

        assert (told.code, "no service has a job" in told.errors) == (1, True)

    async def test_are_cancelled_and_a_second_time_refused(self, worker, database, superuser):
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await enqueue(tx, "from-a-newer-release", dedupe_key="1", user_id=None, arguments={})
        job_id = str(await superuser.fetchval("select id from auth.jobs"))

        cancelled = await quartet("jobs", "cancel", job_id, *AUTH)
        await superuser.execute("update auth.jobs set state = 'cancelled', finished_at = now()")
        refused = await quartet("jobs", "cancel", job_id, *AUTH)

        assert json.loads(cancelled.output)["cancel_requested_at"] is not None
        assert (refused.code, "409 The job has cancelled already." in refused.errors) == (1, True)
        assert await audited(superuser) == [("operator", "job.cancelled")]


class TestKeys:
    @pytest.fixture
    async def sealed(self, superuser) -> None:
        older = Cipher({"2025": OLD}, active="2025")
        rows = [(str(n), older.seal(b"secret", place=PRIVATE_SEALED.place(n))) for n in range(150)]
        await superuser.executemany(
            "insert into auth.signing_keys (kid, public_jwk, private_sealed, state)"
            " values ($1, '{}', $2, 'retiring')",
            rows,
        )

    async def test_are_listed_and_everything_is_sealed_anew(self, worker, sealed, superuser):
        beforehand = await quartet("keys", "rotate", "--dry-run", *AUTH)
        rotated = await quartet("keys", "rotate", *AUTH)
        listed = json.loads((await quartet("keys", "list", "--json", *AUTH)).output)

        assert beforehand.output == "auth: 150 values would be sealed anew\n"
        assert rotated.code == 0, rotated.errors
        assert rotated.output.splitlines()[-1] == "auth: done, 0 values left with another key"
        assert [(key["id"], key["active"], key["rows"]) for key in listed] == [
            ("2025", False, {}),
            ("2026", True, {"signing_keys.private_sealed": 150}),
        ]
        assert await audited(superuser) == [("operator", "keys.rotation_asked")]

    async def test_that_rows_need_and_nobody_has_are_a_failure(self, worker, sealed, superuser):
        await superuser.execute(
            "update auth.signing_keys set private_sealed = overlay(private_sealed placing '2024' from 3)"
            " where kid = '7'"
        )

        listed = await quartet("keys", "list", *AUTH)

        assert "is missing" in listed.output
        assert (listed.code, "auth: 2024" in listed.errors) == (1, True)
