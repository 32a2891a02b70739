import asyncio
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from common.errors import Kind, QuartetError
from common.ids import new_id
from common.postgres.becoming import become
from common.postgres.constraints import Constraint, Constraints
from common.postgres.context import Context
from common.postgres.engine import changed, wake_after_commit
from tests.integration.postgres.rows import count, owners_seen, write
from tests.support.waiting import eventually

WHO = sa.text("SELECT current_user")


class TestTransaction:
    @pytest.mark.parametrize(
        ("process", "as_user", "role"),
        [
            ("api", new_id(), "auth_user"),
            ("api", Context.SHARED, "auth_shared"),
            ("api", Context.STAFF, "auth_staff"),
            ("api", Context.SERVICE, "auth_service"),
            ("api", Context.LOGIN, "auth_login"),
            ("worker", new_id(), "auth_user"),
            ("worker", Context.SYSTEM, "auth_system"),
            ("worker", Context.SHARED, "auth_shared"),
        ],
    )
    async def test_runs_as_whom_it_says(self, databases, process, as_user, role):
        async with databases("auth", process).transaction(as_user=as_user) as tx:
            assert (await tx.execute(WHO)).scalar_one() == role

    @pytest.mark.parametrize(
        ("process", "as_user"),
        [
            ("api", Context.SYSTEM),
            ("worker", Context.STAFF),
            ("worker", Context.SERVICE),
            ("worker", Context.LOGIN),
        ],
    )
    async def test_is_refused_to_a_process_that_may_not_be_that(self, databases, process, as_user):
        database = databases("auth", process)

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction(as_user=as_user):
                pass

    async def test_needs_somebody(self, database):
        with pytest.raises(TypeError, match="as whom"):
            database.transaction(as_user=None)
        with pytest.raises(TypeError, match="as whom"):
            database.read_transaction(as_user=None)

    async def test_is_the_only_place_where_a_table_can_be_seen(self, database):
        async with database.read_transaction(as_user=Context.SYSTEM) as connection:
            await connection.execute("RESET ROLE")
            with pytest.raises(asyncpg.PostgresError, match="audit_log"):
                await connection.fetch("SELECT * FROM audit_log")
            await connection.execute("ROLLBACK; BEGIN")

    async def test_shows_a_user_their_own_rows_and_refuses_to_write_another_s(self, database):
        ada, ben = new_id(), new_id()
        for user in (ada, ben):
            async with database.transaction(as_user=user) as tx:
                await write(tx, user)

        async with database.transaction(as_user=ada) as tx:
            assert await owners_seen(tx) == [ada]
        with pytest.raises(sa.exc.ProgrammingError, match="row-level security"):
            async with database.transaction(as_user=ada) as tx:
                await write(tx, ben)

    async def test_without_a_user_s_id_shows_the_user_s_role_nothing(self, database):
        async with database.transaction(as_user=new_id()) as tx:
            await write(tx, tx_user := (await tx.execute(sa.text("SELECT app_uid()"))).scalar_one())
            await tx.execute(sa.text("SET LOCAL app.user_id = ''"))
            assert await owners_seen(tx) == []
        async with database.transaction(as_user=tx_user) as tx:
            assert await owners_seen(tx) == [tx_user]

    async def test_that_ends_well_is_committed(self, database, superuser):
        user = new_id()

        async with database.transaction(as_user=user) as tx:
            await write(tx, user)

        assert await count(superuser) == 1

    async def test_on_the_driver_s_connection_is_committed_too(self, database, superuser):
        user = new_id()

        async with database.read_transaction(as_user=user) as connection:
            await connection.execute(
                "INSERT INTO audit_log (id, actor, action, user_id) VALUES ($1, 'test', 'x', $2)",
                new_id(),
                user,
            )

        assert await count(superuser) == 1

    async def test_that_only_read_leaves_no_transaction_open_at_the_server(self, pools, superuser):
        database = pools(pool_size=1)
        for begin in (database.transaction, database.read_transaction):
            async with begin(as_user=Context.SYSTEM):
                pass

        [idle] = database.pool._idle
        assert not idle.driver.is_in_transaction()
        assert database.pool.opened == 1

    @pytest.mark.parametrize("ends", ["well", "badly"])
    async def test_leaves_no_role_and_no_user_on_its_connection(self, pools, installation, ends):
        url = SecretStr(installation.stack.postgres_url("auth_worker", installation.worker))
        database = pools(url=url, pooler="none", pool_size=1)
        with suppress(LookupError):
            async with database.transaction(as_user=new_id()):
                if ends == "badly":
                    raise LookupError

        [idle] = database.pool._idle
        assert await idle.driver.fetchval("SELECT current_user") == "auth_worker"
        assert not await idle.driver.fetchval("SELECT current_setting('app.user_id', true)")

    async def test_that_went_on_as_another_leaves_nothing_of_that_either(self, pools, installation):
        url = SecretStr(installation.stack.postgres_url("auth_worker", installation.worker))
        database = pools(url=url, pooler="none", pool_size=1)
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            become(tx, "auth", new_id())

        [idle] = database.pool._idle
        assert await idle.driver.fetchval("SELECT current_user") == "auth_worker"
        assert not await idle.driver.fetchval("SELECT current_setting('app.user_id', true)")

    async def test_that_raises_is_rolled_back(self, database, superuser):
        user = new_id()

        with suppress(LookupError):
            async with database.transaction(as_user=user) as tx:
                await write(tx, user)
                raise LookupError

        assert await count(superuser) == 0
        assert database.pool.opened == 1
        async with database.transaction(as_user=user) as tx:
            assert await owners_seen(tx) == []

    async def test_that_swallows_a_failed_statement_is_an_error_not_a_silent_rollback(
        self, database, superuser
    ):
        user = new_id()

        async def careless() -> None:
            async with database.transaction(as_user=user) as tx:
                await write(tx, user)
                with pytest.raises(sa.exc.DBAPIError):
                    await tx.execute(sa.text("SELECT 1 / 0"))

        with pytest.raises(QuartetError, match=r"database\.transaction_aborted"):
            await careless()
        assert await count(superuser) == 0

    async def test_can_take_back_a_part_of_itself(self, database, superuser):
        user = new_id()

        async with database.transaction(as_user=user) as tx:
            await write(tx, user)
            with suppress(LookupError):
                async with tx.begin_nested():
                    await write(tx, user)
                    raise LookupError

        assert await count(superuser) == 1


class TestWakeAfterCommit:
    @pytest.fixture
    def woken(self) -> list[Sequence[str]]:
        return []

    async def test_tells_once_what_was_named_after_the_commit(self, databases, woken):
        database = databases("auth", "worker", on_commit=woken.append)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            wake_after_commit(tx, "outbox")
            wake_after_commit(tx, "jobs")
            wake_after_commit(tx, "outbox")
            assert woken == []

        assert woken == [("outbox", "jobs")]

    async def test_tells_nothing_after_a_rollback_nor_in_the_next_transaction(self, databases, woken):
        database = databases("auth", "worker", on_commit=woken.append)

        with suppress(LookupError):
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                wake_after_commit(tx, "outbox")
                raise LookupError
        async with database.transaction(as_user=Context.SYSTEM):
            pass

        assert woken == []

    async def test_forgets_what_was_changed_when_it_is_rolled_back(self, databases):
        told: list[frozenset[str]] = []

        async def on_change(names: frozenset[str]) -> None:
            told.append(names)

        database = databases("auth", "worker", on_change=on_change)
        with suppress(LookupError):
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                changed(tx, "a row")
                raise LookupError
        async with database.transaction(as_user=Context.SYSTEM):
            pass

        assert told == []

    async def test_does_not_undo_a_commit_when_it_fails(self, databases, superuser):
        def breaks(_names: Sequence[str]) -> None:
            raise RuntimeError("no loop")

        database = databases("auth", "worker", on_commit=breaks)

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            await write(tx, None)
            wake_after_commit(tx, "outbox")

        assert await count(superuser) == 1


class TestConstraintViolation:
    async def test_is_known_by_the_constraint_s_name_though_a_partition_calls_it_otherwise(self, databases):
        constraints = Constraints({"audit_log_pkey": Constraint("row.taken", "Taken.", "/id")})
        database = databases("auth", "worker", constraints=constraints)

        async def write_twice(tx) -> None:
            again = sa.text("INSERT INTO audit_log (id, actor, action) VALUES (:id, 'a', 'b')")
            await tx.execute(again, {"id": await write(tx, None)})

        with pytest.raises(QuartetError) as refused:
            await database.in_transaction(Context.SYSTEM, write_twice)

        assert (refused.value.code, refused.value.kind) == ("row.taken", Kind.CONFLICT)

    async def test_that_is_unknown_is_a_bug_without_sql(self, database):
        with pytest.raises(QuartetError) as refused:
            async with database.transaction(as_user=Context.SYSTEM) as tx:
                await tx.execute(
                    sa.text("INSERT INTO audit_log (id, action) VALUES (:id, 'b')"), {"id": new_id()}
                )

        assert (refused.value.code, refused.value.kind) == ("database.constraint", Kind.INTERNAL)
        assert "INSERT" not in f"{refused.value} {refused.value.__notes__}"
        assert refused.value.__suppress_context__

    @pytest.mark.parametrize("value", ["a\0b", "not a uuid"])
    async def test_is_not_what_a_bad_value_is(self, database, value):
        with pytest.raises(QuartetError) as refused:
            async with database.read_transaction(as_user=Context.SYSTEM) as connection:
                await connection.fetch("SELECT $1::text, $2::uuid", value, value)

        assert (refused.value.code, refused.value.kind) == ("database.bad_value", Kind.INVALID)


class TestInTransaction:
    async def test_repeats_the_use_case_of_the_one_that_a_deadlock_ended(self, database, superuser):
        await superuser.execute("insert into auth.heartbeats values ('a', now()), ('b', now())")
        attempts: list[str] = []
        met = asyncio.Barrier(2)

        def beats(first: str, second: str):
            async def use_case(tx) -> None:
                attempts.append(first)
                beat = sa.text("UPDATE heartbeats SET lag = coalesce(lag, 0) + 1 WHERE process = :process")
                await tx.execute(beat, {"process": first})
                if len(attempts) <= 2:
                    await met.wait()
                await tx.execute(beat, {"process": second})

            return use_case

        await asyncio.gather(
            database.in_transaction(Context.SYSTEM, beats("a", "b")),
            database.in_transaction(Context.SYSTEM, beats("b", "a")),
        )

        assert len(attempts) == 3
        assert [row["lag"] for row in await superuser.fetch("select lag from auth.heartbeats")] == [2, 2]

    async def test_repeats_the_use_case_whose_commit_would_not_be_serializable(self, database, superuser):
        await superuser.execute("insert into auth.heartbeats (process, at, lag) values ('a', now(), 1)")
        attempts: list[str] = []
        both_have_read = asyncio.Barrier(2)

        async def use_case(tx) -> None:
            """Each adds a row for what it counted: one after the other they would not count the same."""
            attempts.append("one")
            await tx.execute(sa.text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
            counted = (await tx.execute(sa.text("SELECT count(*) FROM heartbeats"))).scalar_one()
            if len(attempts) <= 2:
                await both_have_read.wait()
            await tx.execute(
                sa.text("INSERT INTO heartbeats (process, at, lag) VALUES (:process, now(), :lag)"),
                {"process": str(new_id()), "lag": counted + 1},
            )

        await asyncio.gather(*(database.in_transaction(Context.SYSTEM, use_case) for _ in range(2)))

        lags = await superuser.fetch("select lag from auth.heartbeats order by lag")
        assert (len(attempts), [row["lag"] for row in lags]) == (3, [1, 2, 3])

    async def test_gives_up_after_a_few_attempts(self, database):
        attempts: list[int] = []

        async def always(_tx) -> None:
            attempts.append(1)
            raise asyncpg.SerializationError("could not serialize access")

        with pytest.raises(QuartetError, match=r"database\.contention") as refused:
            await database.in_transaction(Context.SYSTEM, always)

        assert (len(attempts), refused.value.kind) == (4, Kind.UNAVAILABLE)

    async def test_does_not_repeat_what_failed_for_another_reason(self, database):
        attempts: list[int] = []

        async def fails(_tx) -> None:
            attempts.append(1)
            raise LookupError

        with pytest.raises(LookupError):
            await database.in_transaction(Context.SYSTEM, fails)

        assert len(attempts) == 1


class TestDatabase:
    async def test_connects_no_earlier_than_it_must(self, pools):
        database = pools()

        assert database.pool.opened == 0

    async def test_closes_its_connections(self, pools, superuser):
        database = pools()
        async with database.transaction(as_user=Context.SYSTEM):
            pass
        [idle] = database.pool._idle

        await database.close()

        await eventually(idle.driver.is_closed)
