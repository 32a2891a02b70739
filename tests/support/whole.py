"""A whole stack as its operator sees it: every schema, every topic and every process at once."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from quartet_cli.stack import Stack
from quartet_cli.stack.table import DATABASE
from tests.support.installation import Installation
from tests.support.parts import Parts
from tests.support.streams import Streams


@dataclass(frozen=True)
class Whole(Installation):
    """The stack's own database and topics, which belong to no test worker."""

    @property
    def kafka_prefix(self) -> str:
        return ""

    def superuser_url(self, database: str | None = None) -> str:
        return self.stack.postgres_url("postgres", database or DATABASE)

    async def connect(self) -> asyncpg.Connection:
        """Directly and past all policies."""
        return await asyncpg.connect(self.superuser_url())

    @asynccontextmanager
    async def streams(self) -> AsyncGenerator[Streams]:
        streams = Streams(self)
        await streams.open()
        try:
            yield streams
        finally:
            await streams.close()


@pytest.fixture(scope="session")
def whole(stack: Stack) -> Whole:
    return Whole(stack, "")


@pytest.fixture(scope="session")
def parts(stack: Stack) -> Parts:
    return Parts(stack, Path(os.environ["QUARTET_STACK"]).parent)


@pytest.fixture
async def everything_is_well(parts: Parts) -> None:
    """The test before may have left something that is still on its way up."""
    await parts.well()


@pytest.fixture
async def operator(whole: Whole) -> AsyncIterator[asyncpg.Connection]:
    connection = await whole.connect()
    yield connection
    await connection.close()


@pytest.fixture
async def topics(whole: Whole) -> AsyncIterator[Streams]:
    """What stands on the stack's topics, and a way to put anything there."""
    async with whole.streams() as streams:
        yield streams
