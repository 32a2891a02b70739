"""Servers without the services' own processes, so that nobody else takes what is measured."""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from common.postgres.engine import Database
from quartet_cli import testing
from quartet_cli.stack import Stack
from quartet_cli.topics import apply_topics
from tests.support.databases import build_database
from tests.support.installation import Installation
from tests.support.streams import Streams

WORKER = os.environ.get("QUARTET_TEST_WORKER", "gw7")


@asynccontextmanager
async def servers() -> AsyncGenerator[tuple[Installation, Streams]]:
    """The test stack's (fsync off, synchronous_commit on), a database and topics of their own, empty."""
    stack = await asyncio.to_thread(testing.up)
    installation = Installation(stack, WORKER)
    with _kept_from_others(stack):
        await build_database(installation, WORKER)
        await asyncio.to_thread(apply_topics, stack, WORKER)
        streams = Streams(installation)
        await streams.open()
        try:
            await streams.empty()
            yield installation, streams
        finally:
            await streams.close()


@contextmanager
def _kept_from_others(stack: Stack) -> Generator[None]:
    """Tests of the same worker would drop the database under the bench."""
    with (stack.state / f"{WORKER}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"tests run on {WORKER}: set QUARTET_TEST_WORKER to another one") from None
        yield


@asynccontextmanager
async def superuser(installation: Installation) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(installation.superuser_url())
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def durable(root: asyncpg.Connection) -> AsyncGenerator[None]:
    """The test stack's PostgreSQL leaves fsync out; whoever runs one for users does not."""
    names = ("fsync", "full_page_writes")
    try:
        for name in names:
            await root.execute(f"alter system set {name} = on")
        await root.execute("select pg_reload_conf()")
        yield
    finally:
        for name in names:
            await root.execute(f"alter system reset {name}")
        await root.execute("select pg_reload_conf()")


def worker_database(installation: Installation, service: str) -> Database:
    settings = installation.database_settings(service, "worker")
    return Database(settings, service=service, application_name=f"{service}-bench")
