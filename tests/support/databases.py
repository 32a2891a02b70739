"""A database per test worker, copied from one that the migrations built, and emptied before each test."""

import asyncio
import fcntl
import hashlib
import io
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, redirect_stdout
from typing import Any

import asyncpg
import pytest

from common.contracts.topics import SERVICES
from common.postgres.bootstrap import database_sql, roles_sql
from common.postgres.engine import Database
from common.postgres.migrations import main as run_migrations
from tests.support.installation import Installation, Process
from tests.support.repository import ROOT, SERVICE_PACKAGES, files, name_of
from tests.support.services import SCHEMAS

TEMPLATE = "quartet_template"

_BUILT_FROM = ("libs/common/src/common/postgres/", "/migrations/", "/storage/")

_LIST_TABLES = """
select format('%I.%I', n.nspname, c.relname) as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1) and c.relkind in ('r', 'p') and not c.relispartition
order by 1
"""

Databases = Callable[..., Database]


class Cleaning:
    """Makes all schemas as the migrations left them, in one round trip.

    TRUNCATE of forty tables takes 800 times as long as DELETE from forty nearly empty ones.
    """

    def __init__(self, statement: str) -> None:
        self.statement = statement

    @classmethod
    async def prepare(cls, connection: asyncpg.Connection) -> "Cleaning":
        tables = [row["name"] for row in await connection.fetch(_LIST_TABLES, list(SERVICES))]
        # replica: neither the order of the tables nor what they refer to matters
        statements = [
            "set local session_replication_role = replica",
            # whatever a test left open shall fail the next one, not hold up the run
            "set local lock_timeout = '10s'",
            *(f"delete from {table}" for table in tables),
        ]
        await connection.execute("create schema seeded")
        for table in tables:
            if await connection.fetchval(f"select exists (select from {table})"):
                kept = f"seeded.{table.replace('.', '_')}"
                await connection.execute(f"create table {kept} as table {table}")
                statements.append(f"insert into {table} overriding system value table {kept}")
        return cls("; ".join(statements))

    async def run(self, connection: asyncpg.Connection) -> None:
        # several statements without a BEGIN are one transaction
        await connection.execute(self.statement)


async def create_bare_database(installation: Installation, name: str) -> None:
    """Schemas and what the pooler asks; no table yet."""
    async with maintenance(installation) as connection:
        await connection.execute(f'drop database if exists "{name}" with (force)')
        await connection.execute(f'create database "{name}"')
    async with maintenance(installation, name) as connection:
        await connection.execute(database_sql(name))


async def drop_database(installation: Installation, name: str) -> None:
    async with maintenance(installation) as connection:
        await connection.execute(f'drop database if exists "{name}" with (force)')


async def build_database(installation: Installation, name: str) -> None:
    """Every service's tables, made as a rollout would."""
    await create_bare_database(installation, name)
    for service in SERVICES:
        migrate(installation, service, name)


@asynccontextmanager
async def maintenance(
    installation: Installation, database: str = "postgres"
) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(installation.superuser_url(database))
    try:
        yield connection
    finally:
        await connection.close()


def migrate(installation: Installation, service: str, database: str, *arguments: str) -> str:
    """What `python -m <service>.migrate` does, in this process; gives back what it printed."""
    package = SERVICE_PACKAGES[service]
    printed = io.StringIO()
    environment = installation.stack.process_environment(service, "migrate", database)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        for name, value in environment.items():
            patch.setenv(name, value)
        run_migrations(SCHEMAS[service], str(package / "migrate.py"), list(arguments))
    return printed.getvalue()


async def start_migration(installation: Installation, service: str, database: str, *arguments: str) -> str:
    """Runs `python -m <service>.migrate` as a rollout does; gives back what it printed."""
    environment = installation.stack.process_environment(service, "migrate", database)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{SERVICE_PACKAGES[service].name}.migrate", *arguments),
        cwd=ROOT,
        env=environment | {"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, f"{service}.migrate {arguments}: {errors.decode()}"
    return output.decode()


def fingerprint() -> str:
    """Of everything that the template is built from."""
    digest = hashlib.sha256()
    for path in files(".py", ".sql", ".mako", ".ini"):
        if any(part in f"/{name_of(path)}" for part in _BUILT_FROM):
            digest.update(name_of(path).encode() + path.read_bytes())
    return digest.hexdigest()


async def _ensure_template(installation: Installation, connection: asyncpg.Connection) -> None:
    found = await connection.fetchval(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = $1", TEMPLATE
    )
    wanted = fingerprint()
    if found != wanted:
        # the servers may have been started by older code, which knew fewer roles
        await connection.execute(roles_sql())
        await build_database(installation, TEMPLATE)
        await connection.execute(f"comment on database {TEMPLATE} is '{wanted}'")


async def _copy_template(installation: Installation, name: str) -> None:
    with (installation.stack.state / "template.lock").open("w") as lock:
        # whoever comes second waits here for the first one's template
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        async with maintenance(installation) as connection:
            await _ensure_template(installation, connection)
            await connection.execute(f'drop database if exists "{name}" with (force)')
            # copying files takes a checkpoint: 0.9 s instead of 45 ms
            await connection.execute(f'create database "{name}" template {TEMPLATE} strategy wal_log')


@pytest.fixture(scope="session")
async def cleaned_by(installation: Installation) -> AsyncIterator[tuple[asyncpg.Connection, Cleaning]]:
    await _copy_template(installation, installation.worker)
    connection = await asyncpg.connect(installation.superuser_url())
    yield connection, await Cleaning.prepare(connection)
    await connection.close()


@pytest.fixture
async def superuser(cleaned_by: tuple[asyncpg.Connection, Cleaning]) -> asyncpg.Connection:
    """A direct connection to this worker's database, past all policies; the database is clean."""
    connection, cleaning = cleaned_by
    await cleaning.run(connection)
    return connection


@pytest.fixture
async def databases(installation: Installation, superuser: asyncpg.Connection) -> AsyncIterator[Databases]:
    """Makes the database of a service's process, through PgBouncer as in production.

    A test that leaves a connection checked out fails here.
    """
    made: list[tuple[str, Database]] = []

    def make(service: str = "auth", process: Process = "worker", **options: Any) -> Database:
        settings = installation.database_settings(service, process)
        name = f"{service}-{process}"
        database = Database(settings, service=service, application_name=name, **options)
        made.append((name, database))
        return database

    yield make
    leaked = {name: database.pool.checked_out for name, database in made if database.pool.checked_out}
    for _, database in made:
        await database.close()
    assert leaked == {}, f"connections were still checked out after the test: {leaked}"


@pytest.fixture
def database(databases: Databases) -> Database:
    """The database of auth's worker."""
    return databases("auth", "worker")
