"""Exports of all of a user's data: every service at its internal port, and auth's jobs at work."""

import asyncio
import io
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from auth_service.clients.service_parts import ServiceParts
from auth_service.usecases.export_files import ExportFiles
from auth_service.usecases.make_export import ExportMaking
from auth_service.usecases.remove_exports import ExportRemoval
from auth_service.worker import export_token
from common.blobs import Blobs, StorageSettings, open_blobs
from common.clock import utc_now
from common.contracts.topics import SERVICES
from common.http.tokens import ServiceTokens
from common.ids import new_id
from common.jobs import Runner
from common.jobs.claiming import claim
from common.jobs.control import Control
from common.jobs.kinds import Backoff, Job, JobKind
from common.postgres.context import Context
from common.postgres.engine import Database
from tests.support.auth_app import AuthApp
from tests.support.kept_apps import kept_internal_app
from tests.support.service_app import api_of
from tests.support.waiting import Fact, eventually

PORTS = {service: f"https://{service}.internal" for service in SERVICES}


class Door:
    """A service's internal port, which may stand still, or refuse everybody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.asked = 0
        self.refuses = False
        self.opens = asyncio.Event()
        self.opens.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.opens.wait()
        if self.refuses:
            raise httpx.ConnectError("nobody listens")
        await self._app(scope, receive, send)


class Killed(Exception):  # noqa: N818 - no fault of anybody's
    """What a body sees of SIGKILL: nothing that it had begun is committed."""


class DyingControl(Control):
    """Of a process that is killed in the transaction of its nth effect."""

    def __init__(self, database: Database, job: Job, *, survives: int) -> None:
        super().__init__(database, job)
        self._left = survives

    async def save(self, *told: Any, **more: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed
        await super().save(*told, **more)


@dataclass
class Exporting:
    """auth's worker, as far as exports go."""

    database: Database
    files: ExportFiles
    doors: Mapping[str, Door]
    parts: ServiceParts
    superuser: asyncpg.Connection
    auth_app: AuthApp
    backoff: Backoff = field(default_factory=lambda: Backoff(first_seconds=0.05, longest_seconds=0.1))

    @property
    def making(self) -> JobKind:
        making = ExportMaking(self.database, self.files, self.parts, utc_now, new_id, self.backoff)
        return making.kind()

    async def works_until(self, fact: Fact[Any]) -> Any:
        kinds = [self.making, ExportRemoval(self.database, self.files).kind()]
        runner, stop = Runner(self.database, kinds, poll_seconds=0.05), asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        try:
            return await eventually(fact, within=30)
        finally:
            stop.set()
            await running

    async def works_until_done(self) -> None:
        """Until no job that is due is left."""

        async def done() -> bool:
            return not await self.superuser.fetchval(
                "select count(*) from auth.jobs where kind like '%export%'"
                " and finished_at is null and run_at <= now()"
            )

        await self.works_until(done)

    def api_reads(self, files: ExportFiles) -> None:
        self.auth_app.app.state.resources = replace(self.auth_app.resources, export_files=files)

    async def claimed(self, kind: JobKind | None = None) -> Job:
        """By a worker of which nobody hears any more."""
        async with self.database.transaction(as_user=Context.SYSTEM) as tx:
            (job,) = await claim(tx, kind or self.making, slots=1, claim_id=new_id())
        return job

    async def lease_runs_out(self) -> None:
        await self.superuser.execute("update auth.jobs set claim_until = now() where claim is not null")

    async def is_killed_after(self, effects: int) -> None:
        job = await self.claimed()
        with suppress(Killed):
            await self.making.body(job, DyingControl(self.database, job, survives=effects))
        await self.lease_runs_out()

    async def mails(self) -> list[str]:
        rows = await self.superuser.fetch(
            "select arguments->>'mail' as mail from auth.jobs where kind = 'mail'"
        )
        return [row["mail"] for row in rows]

    async def actions(self, user_id: UUID) -> list[str]:
        rows = await self.superuser.fetch(
            "select action from auth.audit_log where user_id = $1 order by at, id", user_id
        )
        return [row["action"] for row in rows if "export" in row["action"]]


def contents(file: httpx.Response) -> dict[str, Any]:
    """Of the ZIP, by name."""
    assert file.status_code == 200, file.text
    with ZipFile(io.BytesIO(file.content)) as archive:
        assert archive.testzip() is None
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(StorageSettings(folder=tmp_path / "files", timeout_seconds=10))


@pytest.fixture
def exporting(
    auth_app: AuthApp, databases: Any, superuser: asyncpg.Connection, blobs: Blobs
) -> Iterator[Exporting]:
    """With every service behind its door; the api reads the same files."""
    settings = auth_app.settings
    cipher = settings.keys.cipher(settings.environment)
    files = ExportFiles(blobs, cipher)
    with ExitStack() as kept:
        doors = {service: Door(_internal(service, auth_app, databases, kept)) for service in SERVICES}
        exporting = Exporting(
            database=databases("auth", "worker"),
            files=files,
            doors=doors,
            parts=parts_behind(doors, auth_app),
            superuser=superuser,
            auth_app=auth_app,
        )
        exporting.api_reads(files)
        yield exporting


@pytest.fixture
def files_away(auth_app: AuthApp) -> ExportFiles:
    """In a storage that nobody answers for."""
    told = StorageSettings(
        bucket="exports",
        endpoint="http://127.0.0.1:9",
        access_key=SecretStr("quartet"),
        secret_key=SecretStr("quartet"),
        timeout_seconds=0.5,
    )
    return ExportFiles(open_blobs(told), auth_app.settings.keys.cipher("test"))


def parts_behind(
    doors: Mapping[str, Door], auth_app: AuthApp, ports: Mapping[str, str | None] = PORTS, **limits: Any
) -> ServiceParts:
    def client() -> httpx.AsyncClient:
        mounts = {PORTS[service]: httpx.ASGITransport(door) for service, door in doors.items()}
        # nothing is spoken to but these: authorities that nobody needs would take a tenth of a second to read
        return httpx.AsyncClient(mounts=mounts, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    token_for: Callable[[str], Awaitable[str]] = partial(
        export_token, auth_app.resources.signing_keys, auth_app.settings.token.issuer
    )
    return ServiceParts(ports, clients=client, token_for=token_for, **limits)


def _internal(service: str, auth_app: AuthApp, databases: Any, kept: ExitStack) -> ASGIApp:
    app = kept.enter_context(kept_internal_app(api_of(service)))
    app.state.database = databases(service, "api")
    app.state.clock = utc_now
    app.state.trusted_proxies = ()
    app.state.service_tokens = ServiceTokens(
        issuer=auth_app.settings.token.issuer, service=service, keys=auth_app.resources.signing_keys
    )
    return app
