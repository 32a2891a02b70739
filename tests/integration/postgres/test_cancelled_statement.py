import asyncio

import pytest
import sqlalchemy as sa

from common.postgres.context import Context
from tests.support.waiting import eventually


class TestCancelledStatement:
    async def test_is_seen_as_cancelled_and_gives_its_place_in_the_pool_back(self, database, superuser):
        async def waits(tx):
            await tx.execute(sa.text("SELECT pg_sleep(30)"))

        waiting = asyncio.create_task(database.in_transaction(Context.SYSTEM, waits))
        await eventually(
            lambda: superuser.fetchval("select count(*) from pg_stat_activity where query ~ 'pg_sleep.30'")
        )

        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting
        await eventually(lambda: database.pool.checked_out == 0)
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            assert (await tx.execute(sa.text("SELECT 1"))).scalar_one() == 1
