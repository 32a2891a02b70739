import asyncio
import itertools
from contextlib import suppress
from functools import partial

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import SecretStr

from common.errors import QuartetError, unavailable
from common.http.permissions import CurrentUser
from common.http.transactions import OwnTransaction
from common.ids import new_id
from common.postgres import engine as engine_module
from common.postgres import faults
from common.postgres.connection import ContextConnection
from common.postgres.context import Context
from common.postgres.engine import wake_after_commit
from tests.integration.postgres.rows import owners_seen, write
from tests.support.interrupting import CancelledAt
from tests.support.little_app import call, little_app
from tests.support.waiting import eventually, happens

_SESSIONS = """
select count(*) as all, count(*) filter (where xact_start is not null) as in_transaction
from pg_stat_activity where datname = current_database() and application_name like 'pool-%'
    and pid <> all($1)
"""
_KEPT_BY_THE_POOLER = """
select array_agg(pid) from pg_stat_activity
where datname = current_database() and application_name like 'pool-%'
"""

router = APIRouter()


@router.get("/writes")
async def get_writes(user: CurrentUser, tx: OwnTransaction) -> str:
    await write(tx, user.user_id)
    return "written"


async def writes(database, user) -> None:
    async with database.transaction(as_user=user) as tx:
        await write(tx, user)
        wake_after_commit(tx, "outbox")


async def fails(database, user) -> None:
    with suppress(LookupError):
        async with database.transaction(as_user=user) as tx:
            await write(tx, user)
            raise LookupError


async def fails_at_the_server(database, user) -> None:
    with suppress(QuartetError):
        async with database.transaction(as_user=user) as tx:
            await tx.execute(sa.text("SELECT 1 / 0"))


async def takes_a_part_back(database, user) -> None:
    async with database.transaction(as_user=user) as tx:
        with suppress(LookupError):
            async with tx.begin_nested():
                await write(tx, user)
                raise LookupError
        await write(tx, user)


async def reads(database, user) -> None:
    async with database.read_transaction(as_user=user) as connection:
        await connection.fetch("SELECT * FROM audit_log")


async def begins_again(database, user) -> None:
    attempts = itertools.count()

    async def use_case(tx) -> None:
        await write(tx, user)
        if next(attempts) == 0:
            raise unavailable(faults.CONTENTION, "for the test")

    await database.in_transaction(user, use_case)


async def requests(database, user) -> None:
    async def send(message) -> None:
        pass

    await call(little_app(database, (router,)), "/writes", user, send)


async def finds_its_connection_dead(database, user) -> None:
    for idle in database.pool._idle:
        idle.driver.terminate()
    await writes(database, user)


async def is_refused_its_role(database, _user) -> None:
    with suppress(asyncpg.InsufficientPrivilegeError):
        async with database.transaction(as_user=Context.STAFF):
            pass


WORKS = (
    *(writes, fails, fails_at_the_server, takes_a_part_back, reads),
    *(begins_again, requests, finds_its_connection_dead, is_refused_its_role),
)


@pytest.fixture
def direct(pools, installation):
    """Connections that the server shows one by one: nothing pools them on the way."""
    url = SecretStr(installation.stack.postgres_url("auth_worker", installation.worker))

    def make():
        return pools(url=url, pooler="none", pool_size=1, pool_overflow=1)

    return make


@pytest.fixture
async def others(superuser) -> list[int]:
    """What the pooler has kept of tests before this one, under their names."""
    return await superuser.fetchval(_KEPT_BY_THE_POOLER) or []


class TestCancellation:
    @pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
    @pytest.mark.parametrize(
        ("warm", "times"), [(False, 1), (True, 1), (True, 2)], ids=["cold", "warm", "warm, twice in a row"]
    )
    async def test_wherever_it_comes_leaks_no_connection_and_no_transaction(
        self, direct, superuser, others, monkeypatch, work, warm, times
    ):
        monkeypatch.setattr(engine_module, "_FIRST_PAUSE_SECONDS", 0.0)
        user, other = new_id(), new_id()
        for step in itertools.count(1):
            database = direct()
            if warm:
                await reads(database, other)
            was_cancelled = await CancelledAt(work(database, user), step, times=times).run()

            await eventually(partial(at_rest, database, superuser, others))
            async with database.transaction(as_user=other) as tx:
                assert await owners_seen(tx) == []
            await database.close()
            if not was_cancelled:
                break

        assert step > 1

    async def test_that_comes_during_a_rollback_does_not_cost_the_connection(self, pools, monkeypatch):
        database = pools(pool_size=1)
        rolling_back = asyncio.Event()
        roll_back = ContextConnection.roll_back

        async def announced(driver) -> None:
            rolling_back.set()
            await roll_back(driver)

        monkeypatch.setattr(ContextConnection, "roll_back", announced)
        task = asyncio.create_task(fails(database, new_id()))
        await happens(rolling_back)

        task.cancel()
        await asyncio.wait([task])

        await eventually(lambda: database.pool.checked_out == 0)
        assert (task.cancelled(), database.pool.idle, database.pool.opened) == (True, 1, 1)
        [idle] = database.pool._idle
        assert not idle.driver.is_in_transaction()


async def at_rest(database, superuser, others) -> bool:
    """The pool counts what the server has, and nothing of it is in a transaction."""
    sessions = await superuser.fetchrow(_SESSIONS, others)
    assert (sessions["all"], sessions["in_transaction"]) == (database.pool.idle, 0)
    assert database.pool.checked_out == 0
    return True
