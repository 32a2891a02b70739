"""Statements that keep their plans at servers which a pooler gives to everybody in turn."""

import asyncio

import pytest

from common.errors import QuartetError
from common.ids import new_id
from common.postgres.context import Context
from common.postgres.engine import Database
from common.postgres.one_trip import in_one_trip
from tests.integration.postgres.rows import write

CLIENTS, QUESTIONS = 12, 40
KEPT = """
    SELECT count(*) FROM pg_prepared_statements
    WHERE name LIKE 'quartet_%' AND statement LIKE '%answer%'
"""


@pytest.fixture
def database(pools) -> Database:
    return pools("worker", pool_size=1)


async def forget(database: Database) -> None:
    """As poolers do that clean up behind everybody."""
    async with database.read_transaction(as_user=Context.SYSTEM) as connection:
        await connection.execute("DEALLOCATE ALL")


async def ask(database: Database, number: int = 42) -> int:
    rows = await in_one_trip(database, "SELECT $1::integer AS answer", number, as_user=Context.SYSTEM)
    return rows[0][0]


async def kept(database: Database) -> int:
    async with database.read_transaction(as_user=Context.SYSTEM) as connection:
        return await connection.fetchval(KEPT)


class TestNamedStatement:
    async def test_is_kept_by_the_server(self, database):
        await forget(database)

        assert [await ask(database, number) for number in range(10)] == list(range(10))
        assert await kept(database) == 1

    async def test_that_the_server_does_not_know_is_named_anew_on_the_same_connection(self, database):
        await ask(database)
        await forget(database)

        assert await ask(database) == 42
        assert (await kept(database), database.pool.opened) == (1, 1)

    async def test_whose_result_was_migrated_is_named_anew(self, database, superuser):
        await superuser.execute(
            "create table auth.migrated (answer) as select 42; grant select on auth.migrated to auth_system"
        )
        try:
            before = await in_one_trip(database, "SELECT * FROM migrated", as_user=Context.SYSTEM)
            await superuser.execute("alter table auth.migrated alter answer type text")
            after = await in_one_trip(database, "SELECT * FROM migrated", as_user=Context.SYSTEM)
        finally:
            await superuser.execute("drop table auth.migrated")

        assert (before, after) == ([(42,)], [("42",)])

    async def test_shows_everybody_their_own_rows_however_long_its_plan_is_kept(self, database):
        users = [new_id(), new_id()]
        for user in users:
            async with database.transaction(as_user=user) as tx:
                await write(tx, user)

        seen = [
            {row[0] for row in await in_one_trip(database, "SELECT user_id FROM audit_log", as_user=who)}
            for _ in range(8)
            for who in (*users, Context.SYSTEM)
        ]

        assert seen == [{users[0]}, {users[1]}, set(users)] * 8

    async def test_is_never_answered_by_another_s(self, pools, superuser):
        """Clients that each name their statements in their own order share the servers of one alias."""
        databases = [pools("api", pool_size=1) for _ in range(CLIENTS)]

        async def client(first: int) -> None:
            for step in range(QUESTIONS):
                number = (first * 5 + step * 3) % 17
                statement = f"SELECT {number} AS n{number % 3}"
                rows = await in_one_trip(databases[first], statement, as_user=Context.SHARED)
                assert rows == [(number,)]

        await asyncio.gather(*(client(first) for first in range(CLIENTS)))

    async def test_that_fails_is_told_as_its_own_error(self, database):
        for _ in range(3):
            with pytest.raises(QuartetError) as caught:
                await in_one_trip(database, "SELECT 1 / $1::integer", 0, as_user=Context.SYSTEM)
            assert caught.value.code == "database.bad_value"

    async def test_has_no_name_any_more_where_servers_always_forget(self, database):
        for _ in range(40):
            assert await ask(database) == 42
            await forget(database)

        assert await ask(database) == 42
        assert await kept(database) == 0
