"""Why positions of a key are in the order of commits: the row's lock, the key's lock, and each taken away."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa

from common.ids import new_id
from common.messaging import outbox
from common.messaging.outbox import record
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from tests.support.factories import user_registered
from tests.support.outbox import record_at_once
from tests.support.waiting import eventually

ROW_LOCKED = "SELECT version FROM counters WHERE key = :key FOR UPDATE"
ROW_READ = "SELECT version FROM counters WHERE key = :key"


@pytest.fixture
async def key(auth: Database, superuser: asyncpg.Connection) -> UUID:
    key = new_id()
    await superuser.execute("insert into auth.counters values ($1, 0)", str(key))
    return key


async def told(superuser: asyncpg.Connection) -> list[int]:
    """The versions, in the order in which they would be sent."""
    rows = await superuser.fetch("select payload->>'version' as version from auth.outbox order by position")
    return [int(row["version"]) for row in rows]


async def waits_for_a_lock(superuser: asyncpg.Connection) -> bool:
    return await superuser.fetchval(
        "select exists (select from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock')"
    )


async def count_up(tx: Transaction, key: UUID, *, read: str = ROW_LOCKED) -> None:
    """A use case as it is to be: the row first, then the event that is built from it."""
    version = (await tx.execute(sa.text(read), {"key": str(key)})).scalar_one() + 1
    await record(tx, user_registered(key, version=version))
    await tx.execute(
        sa.text("UPDATE counters SET version = :version WHERE key = :key"),
        {"key": str(key), "version": version},
    )


class TestTwoWritersOfAKey:
    async def test_tell_their_changes_in_the_order_of_their_commits(
        self, auth: Database, key: UUID, superuser: asyncpg.Connection
    ):
        async with auth.transaction(as_user=Context.SYSTEM) as first:
            await count_up(first, key)
            second = asyncio.create_task(auth.in_transaction(Context.SYSTEM, lambda tx: count_up(tx, key)))
            await eventually(lambda: waits_for_a_lock(superuser))
        await second

        assert await told(superuser) == [1, 2]

    async def test_tell_what_is_not_so_without_the_lock_of_the_row(
        self, auth: Database, key: UUID, superuser: asyncpg.Connection
    ):
        async with auth.transaction(as_user=Context.SYSTEM) as first:
            await count_up(first, key, read=ROW_READ)
            second = asyncio.create_task(
                auth.in_transaction(Context.SYSTEM, lambda tx: count_up(tx, key, read=ROW_READ))
            )
            await eventually(lambda: waits_for_a_lock(superuser))
        await second

        assert await told(superuser) == [1, 1]

    async def test_that_record_before_they_lock_are_kept_in_order_by_the_lock_of_the_key(
        self, auth: Database, key: UUID, superuser: asyncpg.Connection
    ):
        async with auth.transaction(as_user=Context.SYSTEM) as first:
            await record_at_once(first, user_registered(key, version=1))
            second = asyncio.create_task(_record_and_commit(auth, key, version=2))
            await eventually(lambda: waits_for_a_lock(superuser))
            assert await told(superuser) == []
        await second

        assert await told(superuser) == [1, 2]

    async def test_overtake_each_other_without_the_lock_of_the_key(
        self, auth: Database, key: UUID, superuser: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ):
        unlocked = outbox._RECORD.replace("count(pg_advisory_xact_lock(name))", "count(name)")
        monkeypatch.setattr(outbox, "_RECORD", unlocked)

        async with auth.transaction(as_user=Context.SYSTEM) as first:
            await record_at_once(first, user_registered(key, version=1))
            await _record_and_commit(auth, key, version=2)
            sent_meanwhile = await told(superuser)

        assert sent_meanwhile == [2]
        assert await told(superuser) == [1, 2]


async def _record_and_commit(database: Database, key: UUID, *, version: int) -> None:
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        await record(tx, user_registered(key, version=version))
