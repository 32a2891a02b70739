"""How often a transaction asks the server, and that nothing else is changed by asking less often."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from common.errors import QuartetError
from common.ids import new_id
from common.postgres.asking import ask, found_first, put_off
from common.postgres.becoming import become
from common.postgres.context import Context
from common.postgres.engine import Transaction, driver_of
from common.postgres.trip import Row, Step
from tests.integration.postgres.rows import count
from tests.support.waiting import eventually

WHO = "SELECT current_user::text, current_setting('app.user_id', true)"
WRITE = """
    INSERT INTO audit_log (id, actor, action, user_id) VALUES (gen_random_uuid(), 'test', 'asking', $1)
"""
LOCK = "SELECT count(*) FROM (SELECT pg_advisory_xact_lock($1::bigint)) locked"
WAITS_FOR_A_LOCK = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock')
"""
FAIL = Step("SELECT 1 / $1::integer", (0,))


@pytest.fixture
async def database(proxy, through):
    """Warm: it has one connection, which goes through the proxy."""
    database = through(proxy.port)
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        await tx.execute(sa.text(WHO))
    return database


class TestAStatement:
    async def test_that_was_asked_before_is_one_trip(self, database, proxy):
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            before = proxy.asked
            await tx.execute(sa.text(WHO))
            first = proxy.asked
            await tx.execute(sa.text("SELECT 2"))
            second = proxy.asked

        assert (first - before, second - first) == (1, 2)

    async def test_that_was_asked_before_still_answers_the_role_that_asks(self, database):
        user_id = new_id()
        async with database.transaction(as_user=user_id) as tx:
            assert tuple((await tx.execute(sa.text(WHO))).one()) == ("auth_user", str(user_id))

    async def test_that_failed_is_asked_again(self, database):
        for _ in range(2):
            with pytest.raises(asyncpg.UndefinedTableError):
                async with database.read_transaction(as_user=Context.SYSTEM) as connection:
                    await connection.fetch("SELECT FROM not_there_yet")

        async with database.read_transaction(as_user=Context.SYSTEM) as connection:
            assert await connection.fetchval("SELECT 3") == 3

    async def test_on_the_driver_s_connection_brings_what_changed_meanwhile(self, database):
        found = []
        for number in (1, 2):
            async with database.read_transaction(as_user=Context.SYSTEM) as connection:
                found.append(await connection.fetchval("SELECT $1::integer + 1", number))

        assert found == [2, 3]


class TestSeveralStatements:
    async def test_are_one_trip(self, database, proxy):
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            before = proxy.asked
            found = await ask(tx, Step("SELECT 1", ()), Step("SELECT $1::text", ("two",)), Step(WHO, ()))
            assert proxy.asked - before == 1

        assert found == [[(1,)], [("two",)], [("auth_system", "")]]

    async def test_are_undone_together_when_one_fails(self, database, superuser):
        with pytest.raises(QuartetError, match="cannot be stored"):
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                await ask(tx, Step(WRITE, (new_id(),)), FAIL, Step(WRITE, (new_id(),)))

        assert await count(superuser) == 0
        assert database.pool.idle == 1

    async def test_see_each_what_was_committed_before_it(self, database, superuser, pools):
        number, locked = Step("SELECT count(*) FROM audit_log", ()), Step(LOCK, (7,))

        async def use_case(tx: Transaction) -> list[list[Row]]:
            return await ask(tx, number, locked, number)

        async with pools().transaction(as_user=Context.SYSTEM) as other:
            await ask(other, locked, Step(WRITE, (new_id(),)))
            asked = asyncio.create_task(database.in_transaction(Context.SYSTEM, use_case))
            await eventually(lambda: superuser.fetchval(WAITS_FOR_A_LOCK))

        [[(before,)], _, [(after,)]] = await asked
        assert (before, after) == (0, 1)


class TestWhatATransactionBeginsWith:
    async def test_leaves_with_begin_in_one_trip(self, database, proxy):
        user_id, before = new_id(), proxy.asked
        async with database.transaction(as_user=user_id, first=(Step(WHO, ()),)) as tx:
            assert found_first(tx) == [[("auth_user", str(user_id))]]
            assert proxy.asked - before == 1

    async def test_is_asked_again_when_the_connection_was_dead(self, database, proxy, superuser):
        user_id = new_id()
        proxy.doom(answers_only=True)
        async with database.transaction(as_user=user_id, first=(Step(WRITE, (user_id,)),)):
            pass

        assert proxy.accepted == 2
        assert await count(superuser) == 1

    async def test_leaves_nothing_behind_when_it_fails(self, database, superuser, proxy):
        with pytest.raises(QuartetError, match="cannot be stored"):
            async with database.transaction(as_user=Context.SYSTEM, first=(Step(WRITE, (None,)), FAIL)):
                pass

        assert await count(superuser) == 0
        assert (database.pool.checked_out, database.pool.idle, proxy.accepted) == (0, 1, 1)

    async def test_that_takes_too_long_is_no_dead_connection(self, database, proxy):
        too_long = (Step("SET LOCAL statement_timeout = 20", ()), Step("SELECT pg_sleep(9)::text", ()))
        with pytest.raises(QuartetError, match="took too long"):
            async with database.transaction(as_user=Context.SYSTEM, first=too_long):
                pass

        assert (database.pool.checked_out, database.pool.idle, proxy.accepted) == (0, 1, 1)


class TestWhatIsPutOff:
    async def test_leaves_with_commit_in_one_trip(self, database, proxy, superuser):
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            put_off(tx, Step(WRITE, (new_id(),)))
            put_off(tx, Step(WRITE, (new_id(),)))
            before = proxy.asked

        assert proxy.asked - before == 1
        assert await count(superuser) == 2

    async def test_comes_before_the_next_statement(self, database):
        user_id = new_id()
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            become(tx, "auth", user_id)
            found = await tx.execute(sa.text(WHO))

            assert tuple(found.one()) == ("auth_user", str(user_id))

    async def test_comes_before_a_statement_that_the_connection_has_prepared(self, pools, installation):
        url = SecretStr(installation.stack.postgres_url("auth_worker", installation.worker))
        database = pools(url=url, pooler="none", pool_size=1)
        users = [new_id() for _ in range(3)]
        found = []
        for user_id in users:
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                become(tx, "auth", user_id)
                found.append(tuple((await tx.execute(sa.text(WHO))).one()))

        assert found == [("auth_user", str(user_id)) for user_id in users]

    async def test_after_an_error_that_was_swallowed_tells_of_it(self, database):
        async def use_case(tx: Transaction) -> None:
            with suppress(asyncpg.DataError):
                await ask(tx, FAIL)
            put_off(tx, Step(WHO, ()))

        with pytest.raises(QuartetError, match="swallowed"):
            await database.in_transaction(Context.SYSTEM, use_case)

    async def test_of_a_transaction_that_is_over_stays_out_of_the_next(self, database, superuser):
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            pass
        put_off(tx, Step(WRITE, (new_id(),)))
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await tx.execute(sa.text(WHO))

        assert await count(superuser) == 0

    async def test_comes_before_a_statement_of_the_driver_s(self, database):
        async with database.read_transaction(as_user=Context.SYSTEM) as connection:
            connection.put_off(Step("SELECT set_config('app.said', 'before', true)", ()))
            await connection.execute("DO $$ BEGIN ASSERT current_setting('app.said') = 'before'; END $$")

    async def test_leaves_with_what_is_asked_next_in_one_trip(self, database, proxy):
        user_id = new_id()
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            become(tx, "auth", user_id)
            before = proxy.asked
            found = await ask(tx, Step("SELECT 1", ()), Step(WHO, ()))
            assert proxy.asked - before == 1

        assert found == [[(1,)], [("auth_user", str(user_id))]]

    async def test_is_forgotten_when_the_transaction_fails(self, database, superuser):
        async def use_case(tx: Transaction) -> None:
            put_off(tx, Step(WRITE, (new_id(),)))
            raise LookupError

        with pytest.raises(LookupError):
            await database.in_transaction(Context.SYSTEM, use_case)
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await tx.execute(sa.text(WHO))

        assert await count(superuser) == 0

    async def test_fails_at_commit_and_undoes_all(self, database, superuser):
        async def use_case(tx: Transaction) -> None:
            await ask(tx, Step(WRITE, (new_id(),)))
            put_off(tx, FAIL)

        with pytest.raises(QuartetError, match="cannot be stored"):
            await database.in_transaction(Context.SYSTEM, use_case)

        assert await count(superuser) == 0
        assert database.pool.idle == 1
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            assert (await tx.execute(sa.text("SELECT 1"))).scalar_one() == 1

    async def test_ends_a_transaction_that_the_driver_believes_open(self, database):
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            driver = driver_of(tx)
            put_off(tx, Step("SELECT 1", ()))
            assert driver.is_in_transaction()

        assert not driver.is_in_transaction()
