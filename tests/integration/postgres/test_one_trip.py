import asyncio
from datetime import UTC, date, datetime

import asyncpg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from common.errors import QuartetError
from common.ids import new_id
from common.postgres import connection as connection_module
from common.postgres.context import Context
from common.postgres.one_trip import in_one_trip
from common.postgres.trip import Step
from tests.integration.postgres.rows import count, write
from tests.support.waiting import eventually

WHO = "SELECT current_user::text, current_setting('app.user_id', true)"
WRITE = "INSERT INTO audit_log (id, actor, action, user_id) VALUES ($1, 'test', $2, $3) RETURNING action"
TEXT = "it's; DROP TABLE \\ ☃"
ODD = ["", "null", '"', "\\", ",}{", TEXT]
WRITE_ANEW = """
    INSERT INTO audit_log (id, actor, action, user_id) VALUES (gen_random_uuid(), 'test', $1, $2)
    RETURNING action
"""


@pytest.fixture
async def database(proxy, through):
    """Warm: it has one connection, which goes through the proxy."""
    database = through(proxy.port, process="api")
    await in_one_trip(database, "SELECT 1", as_user=Context.SHARED)
    return database


class TestOneTrip:
    async def test_brings_every_type_that_is_asked_for(self, database):
        user_id, now = new_id(), datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
        rows = await in_one_trip(
            database,
            """SELECT $1::uuid, $2::timestamptz, $3::bigint, $4::integer, $5::text, null::text, true, false,
                array[$5::text, ''], '{}'::text[], $6::bytea[] = array['\\x00ff'::bytea, ''::bytea],
                $7::date, date '2026-11-22', date '9999-12-31', $8::text[], $9::bytea = '\\x00ff'""",
            *(user_id, now, -(2**62), 7, TEXT, [b"\x00\xff", b""], date(1890, 1, 1), ODD, b"\x00\xff"),
            as_user=user_id,
        )

        days = (date(1890, 1, 1), date(2026, 11, 22), date.max)
        assert rows == [
            (user_id, now, -(2**62), 7, TEXT, None, True, False, [TEXT, ""], [], True, *days, ODD, True)
        ]

    async def test_brings_many_rows_and_large_ones(self, database):
        statement = "SELECT n, repeat('x', $1) FROM generate_series(1, 200) AS n"
        rows = await in_one_trip(database, statement, 5_000, as_user=Context.SHARED)

        assert rows == [(n, "x" * 5_000) for n in range(1, 201)]

    async def test_runs_as_whom_it_says_and_leaves_nothing_of_that_behind(self, database):
        user_id = new_id()
        as_user = await in_one_trip(database, WHO, as_user=user_id)
        as_shared = await in_one_trip(database, WHO, as_user=Context.SHARED)
        async with database.read_transaction(as_user=Context.SHARED) as connection:
            in_transaction = tuple(await connection.fetchrow(WHO))

        assert as_user == [("auth_user", str(user_id))]
        assert as_shared == [("auth_shared", "")]
        assert in_transaction == ("auth_shared", "")

    async def test_leaves_no_role_and_no_user_on_its_connection(self, pools, installation):
        url = SecretStr(installation.stack.postgres_url("auth_worker", installation.worker))
        database = pools(url=url, pooler="none", pool_size=1)
        await in_one_trip(database, WHO, as_user=new_id())

        [idle] = database.pool._idle
        assert tuple(await idle.driver.fetchrow(WHO)) == ("auth_worker", "")

    async def test_carries_out_what_comes_first_as_whom_that_says(self, database):
        user_id = new_id()
        said = "SELECT set_config('app.said', current_user, true)"
        heard = "SELECT current_setting('app.said', true), current_user::text"
        for _ in range(3):
            rows = await in_one_trip(
                database,
                heard,
                as_user=user_id,
                first=[Step(said, (), Context.LOGIN), Step(WHO, (), user_id)],
            )
            assert rows == [("auth_login", "auth_user")]

        assert await in_one_trip(database, heard, as_user=user_id) == [("", "auth_user")]

    @pytest.mark.parametrize("failing", ["first", "last"])
    async def test_is_carried_out_whole_or_not_at_all(self, database, superuser, failing):
        user_id = new_id()
        write_one, fail = (WRITE_ANEW, ("once", user_id)), ("SELECT 1 / $1::integer", (0,))
        first, last = (fail, write_one) if failing == "first" else (write_one, fail)
        with pytest.raises(QuartetError):
            await in_one_trip(database, last[0], *last[1], as_user=user_id, first=[Step(*first, user_id)])

        assert await count(superuser) == 0

    async def test_sees_and_writes_rows_of_that_user_alone(self, database, superuser):
        user_id, other = new_id(), new_id()
        async with database.transaction(as_user=other) as tx:
            await write(tx, other)
        written = await in_one_trip(database, WRITE, new_id(), "mine", user_id, as_user=user_id)
        seen = await in_one_trip(database, "SELECT user_id FROM audit_log", as_user=user_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await in_one_trip(database, WRITE, new_id(), "another's", other, as_user=user_id)

        assert (written, seen) == ([("mine",)], [(user_id,)])
        assert await count(superuser) == 2

    async def test_that_fails_leaves_the_connection_as_it_was(self, database):
        with pytest.raises(asyncpg.UndefinedColumnError):
            await in_one_trip(database, "SELECT nothing FROM heartbeats", as_user=Context.SHARED)
        rows = await in_one_trip(database, "SELECT 1", as_user=Context.SHARED)
        async with database.transaction(as_user=Context.SHARED) as tx:
            assert (await tx.execute(sa.text("SELECT 2"))).scalar_one() == 2

        assert rows == [(1,)]
        assert (database.pool.opened, database.pool.checked_out) == (1, 0)

    async def test_that_breaks_a_constraint_is_told_as_that_and_writes_nothing(self, database, superuser):
        user_id, row_id = new_id(), new_id()
        await in_one_trip(database, WRITE, row_id, "once", user_id, as_user=user_id)
        with pytest.raises(QuartetError) as caught:
            await in_one_trip(database, WRITE, row_id, "twice", user_id, as_user=user_id)

        assert caught.value.code == "database.constraint"
        # the driver's own error quotes the row
        assert caught.value.__cause__ is None
        assert await count(superuser) == 1

    async def test_gives_everybody_their_own_answer(self, pools):
        database = pools("api", pool_size=3)
        users = [new_id() for _ in range(300)]
        answers = await asyncio.gather(*(in_one_trip(database, WHO, as_user=user) for user in users))

        assert answers == [[("auth_user", str(user))] for user in users]


class TestLostConnection:
    async def test_is_replaced_and_nobody_notices(self, database, proxy):
        proxy.doom()

        assert await in_one_trip(database, "SELECT 1", as_user=Context.SHARED) == [(1,)]
        assert (proxy.accepted, database.pool.opened) == (2, 2)

    async def test_before_the_answer_carries_the_statement_out_again(self, database, proxy, superuser):
        user_id = new_id()
        proxy.doom(answers_only=True)

        assert await in_one_trip(database, WRITE_ANEW, "again", user_id, as_user=user_id) == [("again",)]
        assert await count(superuser) == 2

    async def test_before_the_answer_is_told_by_what_is_not_to_be_repeated(self, database, proxy, superuser):
        user_id = new_id()
        proxy.doom(answers_only=True)
        with pytest.raises(QuartetError) as caught:
            await in_one_trip(database, WRITE_ANEW, "once", user_id, as_user=user_id, repeatable=False)

        assert caught.value.code == "database.unavailable"
        assert await count(superuser) == 1
        assert database.pool.checked_out == 0

    async def test_twice_is_told_as_a_database_that_is_away(self, database, proxy):
        async def not_there(*_arguments: object) -> None:
            raise ConnectionResetError

        proxy.doom()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection_module.ContextConnection, "in_one_trip", not_there)
            with pytest.raises(QuartetError) as caught:
                await in_one_trip(database, "SELECT 1", as_user=Context.SHARED)

        assert caught.value.code == "database.unavailable"
        assert database.pool.checked_out == 0

    async def test_that_falls_silent_is_given_up_and_closed(self, database, proxy, monkeypatch):
        monkeypatch.setattr(connection_module, "COMMAND_SECONDS", 0.2)
        proxy.silent = True
        with pytest.raises(QuartetError) as caught:
            await in_one_trip(database, "SELECT 1", as_user=Context.SHARED)
        proxy.silent = False

        assert caught.value.code == "database.timeout"
        assert await in_one_trip(database, "SELECT 1", as_user=Context.SHARED) == [(1,)]
        assert database.pool.opened == 2


class TestCancelledTrip:
    async def test_costs_its_connection_and_nothing_else(self, database, proxy):
        proxy.silent = True
        asking = asyncio.create_task(in_one_trip(database, WHO, as_user=new_id()))
        await eventually(lambda: database.pool.checked_out == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        proxy.silent = False

        assert await in_one_trip(database, WHO, as_user=Context.SHARED) == [("auth_shared", "")]
        assert (database.pool.opened, database.pool.checked_out) == (2, 0)
