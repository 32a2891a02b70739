import asyncio
import itertools
from functools import partial

import pytest

from common.ids import new_id
from common.postgres.connection import ContextConnection
from tests.integration.postgres.interrupting import CancelledAt
from tests.integration.postgres.rows import owners_seen, write
from tests.support.waiting import eventually, happens

_OPEN = """
select count(*) from pg_stat_activity
where datname = current_database() and usename = 'auth_worker' and xact_start is not null
"""


async def writes_and_fails_after(database, user, *, fails: bool) -> None:
    async with database.transaction(as_user=user) as tx:
        await write(tx, user)
        await owners_seen(tx)
        if fails:
            raise LookupError


async def reads(database, user) -> None:
    async with database.read_transaction(as_user=user) as connection:
        await connection.fetch("SELECT * FROM audit_log")


class TestCancellation:
    @pytest.mark.parametrize("work", ["write", "fail", "read"])
    @pytest.mark.parametrize("warm", [True, False])
    async def test_wherever_it_comes_leaks_no_connection_and_no_transaction(
        self, pools, superuser, work, warm
    ):
        user, other = new_id(), new_id()
        for step in itertools.count(1):
            database = pools(pool_size=1)
            if warm:
                await reads(database, other)
            work_done = reads(database, user)
            if work != "read":
                work_done.close()
                work_done = writes_and_fails_after(database, user, fails=work == "fail")
            try:
                cancelled = await CancelledAt(work_done, step).run()
            except LookupError:
                cancelled = False

            await eventually(partial(nothing_out, database))
            async with database.transaction(as_user=other) as tx:
                assert await owners_seen(tx) == []
            await database.close()
            if not cancelled:
                break

        await eventually(lambda: no_transaction(superuser))
        assert step > 3

    async def test_that_comes_during_a_rollback_does_not_cost_the_connection(self, pools, monkeypatch):
        database = pools(pool_size=1)
        rolling_back = asyncio.Event()
        roll_back = ContextConnection.roll_back

        async def announced(driver) -> None:
            rolling_back.set()
            await roll_back(driver)

        monkeypatch.setattr(ContextConnection, "roll_back", announced)
        task = asyncio.create_task(writes_and_fails_after(database, new_id(), fails=True))
        await happens(rolling_back)

        task.cancel()
        await asyncio.wait([task])

        await eventually(partial(nothing_out, database))
        assert (task.cancelled(), database.pool.idle, database.pool.opened) == (True, 1, 1)
        [idle] = database.pool._idle
        assert not idle.driver.is_in_transaction()


def nothing_out(database) -> bool:
    return database.pool.checked_out == 0


async def no_transaction(superuser) -> bool:
    return await superuser.fetchval(_OPEN) == 0
