import asyncio
from dataclasses import replace

import asyncpg
import pytest
import sqlalchemy as sa

from common.ids import new_id
from common.messaging.outbox import EventTooLargeError, record
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from tests.support.databases import Databases
from tests.support.factories import user_registered
from tests.support.outbox import is_empty, put, record_at_once, waiting
from tests.support.waiting import eventually


class TestRecord:
    async def test_what_is_rolled_back_is_never_sent(self, auth: Database, superuser: asyncpg.Connection):
        async def fail(tx: Transaction) -> None:
            await record_at_once(tx, user_registered())
            raise KeyError

        with pytest.raises(KeyError):
            await auth.in_transaction(Context.SYSTEM, fail)

        assert await is_empty(superuser)

    async def test_a_user_may_record_and_not_read(self, databases: Databases, superuser: asyncpg.Connection):
        api = databases("auth", "api")
        user_id = new_id()

        async with api.transaction(as_user=user_id) as tx:
            await record(tx, user_registered(user_id), user_registered(user_id, version=2))

        assert await waiting(superuser) == 2
        with pytest.raises(Exception, match="permission denied"):
            async with api.transaction(as_user=user_id) as tx:
                await tx.execute(sa.text("SELECT id FROM outbox"))

    async def test_the_second_writer_of_a_key_waits_for_the_first(
        self, auth: Database, superuser: asyncpg.Connection
    ):
        key = new_id()
        async with auth.transaction(as_user=Context.SYSTEM) as first:
            await record_at_once(first, user_registered(key, version=1))
            second = asyncio.create_task(put(auth, 2, key=key))
            await put(auth, 1, key=new_id())
            await eventually(lambda: _waits_for_a_lock(superuser))
            assert not second.done()
        await second

        rows = await superuser.fetch(
            "select payload->>'version' as version from auth.outbox where aggregateid = $1 order by position",
            str(key),
        )
        assert [row["version"] for row in rows] == ["1", "2"]

    async def test_the_events_of_one_call_keep_their_order(
        self, auth: Database, superuser: asyncpg.Connection
    ):
        key = new_id()

        await put(auth, *range(1, 51), key=key)

        rows = await superuser.fetch(
            "select payload->>'version' as version from auth.outbox order by position"
        )
        assert [int(row["version"]) for row in rows] == list(range(1, 51))

    async def test_an_event_that_kafka_would_refuse_is_refused_before_the_commit(self, auth: Database):
        with pytest.raises(EventTooLargeError):
            async with auth.transaction(as_user=Context.SYSTEM) as tx:
                await record(tx, user_registered(full_name="x" * 600_000))

    async def test_a_key_that_could_not_be_parked_is_refused_before_the_commit(self, auth: Database):
        with pytest.raises(EventTooLargeError):
            async with auth.transaction(as_user=Context.SYSTEM) as tx:
                await record(tx, replace(user_registered(), key="k" * 1_025))

    async def test_more_keys_than_the_lock_table_has_room_for_are_refused(self, auth: Database):
        with pytest.raises(ValueError, match="500 keys"):
            async with auth.transaction(as_user=Context.SYSTEM) as tx:
                await record(tx, *(user_registered() for _ in range(501)))


async def _waits_for_a_lock(superuser: asyncpg.Connection) -> bool:
    return await superuser.fetchval(
        "select exists (select from pg_locks l join pg_database d on d.oid = l.database"
        " where locktype = 'advisory' and not granted and datname = current_database())"
    )
