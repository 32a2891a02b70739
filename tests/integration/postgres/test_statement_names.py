"""Named statements through a transaction pooler: what the libraries do by default, and what we do."""

import asyncio
import itertools
from collections import Counter
from contextlib import AsyncExitStack

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from common.postgres.context import Context
from common.postgres.url import fix_async_database_url

CLIENTS = 12
"""More than the alias has connections to the server, so that these are shared."""
QUESTIONS = 40


@pytest.fixture
def as_in_processes(monkeypatch):
    """Each connection numbers its statements from one, as those of separate processes do."""
    counters: dict[int, itertools.count[int]] = {}

    def unique_id(connection: asyncpg.Connection, prefix: str) -> str:
        counter = counters.setdefault(id(connection), itertools.count(1))
        return f"__asyncpg_{prefix}_{next(counter):x}__"

    monkeypatch.setattr(asyncpg.Connection, "_get_unique_id", unique_id)


async def answers(ask_one) -> Counter[str]:
    """Of clients that each ask for their own numbers in their own order."""
    seen: Counter[str] = Counter()

    async def client(first: int) -> None:
        for step in range(QUESTIONS):
            number = (first * 5 + step * 3) % 17
            try:
                answer = await ask_one(first, f"SELECT {number} AS n{number % 3}")
            except (Exception, AssertionError) as error:  # noqa: BLE001 - the driver fails in many ways here
                seen[type(error).__name__] += 1
            else:
                seen["right" if answer == number else "wrong"] += 1

    await asyncio.gather(*(client(first) for first in range(CLIENTS)))
    return seen


@pytest.mark.usefixtures("as_in_processes", "superuser")
class TestStatements:
    async def test_of_ours_answer_their_own_question(self, pools):
        databases = [pools("api", pool_size=1) for _ in range(CLIENTS)]

        async def ask_one(client: int, statement: str) -> int:
            async with databases[client].transaction(as_user=Context.SHARED) as tx:
                return (await tx.execute(sa.text(statement))).scalar_one()

        assert await answers(ask_one) == {"right": CLIENTS * QUESTIONS}

    async def test_on_the_driver_s_connection_do_too(self, pools):
        databases = [pools("api", pool_size=1) for _ in range(CLIENTS)]

        async def ask_one(client: int, statement: str) -> int:
            async with databases[client].read_transaction(as_user=Context.SHARED) as connection:
                return await connection.fetchval(statement)

        assert await answers(ask_one) == {"right": CLIENTS * QUESTIONS}

    async def test_with_the_libraries_defaults_do_not(self, installation):
        """If this fails, pooler and libraries have learnt it: measure anew, and leave the caches on."""
        url, arguments = fix_async_database_url(
            installation.database_settings("auth", "api").url.get_secret_value()
        )
        async with AsyncExitStack() as stack:
            engines = [
                create_async_engine(url, connect_args=arguments, pool_size=1, pool_reset_on_return=None)
                for _ in range(CLIENTS)
            ]
            for engine in engines:
                stack.push_async_callback(engine.dispose)

            async def ask_one(client: int, statement: str) -> int:
                async with engines[client].connect() as connection:
                    return (await connection.execute(sa.text(statement))).scalar_one()

            seen = await answers(ask_one)

        assert seen["right"] < CLIENTS * QUESTIONS


class TestCaches:
    @pytest.mark.parametrize("pooler", ["transaction", "auto"])
    async def test_are_off_and_statements_have_no_name_behind_a_transaction_pooler(self, pools, pooler):
        database = pools(pool_size=1, pooler=pooler, prepared_statements=False)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            raw = await tx.get_raw_connection()
            adapted, driver = raw.dbapi_connection, raw.driver_connection
            statement = await driver.prepare("SELECT 1")

            assert driver._config.statement_cache_size == 0
            assert adapted._prepared_statement_cache is None
            assert adapted._prepared_statement_name_func() == ""
            assert statement._state.name == ""

    @pytest.mark.parametrize(
        "chosen", [{"pooler": "none"}, {"pooler": "transaction", "prepared_statements": True}]
    )
    async def test_are_on_where_that_is_safe(self, pools, chosen):
        database = pools(pool_size=1, **chosen)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            raw = await tx.get_raw_connection()
            await tx.execute(sa.text("SELECT 41"))

            assert raw.driver_connection._config.statement_cache_size > 0
            assert raw.driver_connection._stmt_cache.has(("SELECT 41", asyncpg.Record, False))
