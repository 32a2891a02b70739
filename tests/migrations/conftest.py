from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.databases import create_bare_database, drop_database
from tests.support.installation import Installation


@pytest.fixture
async def bare(installation: Installation) -> AsyncIterator[asyncpg.Connection]:
    """The superuser in a database with roles and schemas and no table."""
    name = f"{installation.worker}_migrations"
    await create_bare_database(installation, name)
    connection = await asyncpg.connect(installation.superuser_url(name))
    yield connection
    await connection.close()
    await drop_database(installation, name)
