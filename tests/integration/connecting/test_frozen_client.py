"""A client that stands still, wherever it stopped, does not keep its locks: it takes the 20 s that it may."""

import asyncpg
import pytest

from common.postgres.timeouts import IDLE_IN_TRANSACTION_SECONDS
from tests.support.waiting import eventually

LOCK = 4_711


@pytest.fixture
async def frozen(installation):
    alias = f"{installation.worker}_profile_worker"
    url = installation.stack.postgres_url("profile_worker", alias, port="pgbouncer")
    client = await asyncpg.connect(url, statement_cache_size=0)
    yield client
    client.terminate()


class TestFrozenClient:
    async def test_loses_its_locks_between_describing_and_executing(self, installation, frozen):
        operator = await asyncpg.connect(installation.superuser_url())
        await frozen.execute("begin")
        await frozen.execute(f"select pg_advisory_xact_lock({LOCK})")
        await frozen.prepare("select 1")

        async def free() -> bool:
            return await operator.fetchval(f"select pg_try_advisory_xact_lock({LOCK})")

        assert not await free()
        await eventually(free, within=2 * IDLE_IN_TRANSACTION_SECONDS, every=0.5)
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await frozen.execute("commit")
        await operator.close()
