import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from common.housekeeping import Housekeeping, Task, common_tasks
from common.housekeeping.months import Month
from common.housekeeping.partitions import keep_partitions
from common.housekeeping.tasks import AUDIT_KEPT, TABLES
from common.ids import new_id
from common.messaging.delivery import Delivery
from common.messaging.failures import Failure, FailureKind
from common.messaging.handlers import Handlers
from common.postgres.context import Context
from tests.support.records import message
from tests.support.waiting import eventually

NOW = datetime(2041, 5, 17, 12, 0, tzinfo=UTC)
"""Far enough away that no partition of it exists."""

POISON = Failure(FailureKind.PERMANENT, "KeyError", "raised somewhere")
_COLUMNS = "id, kind, dedupe_key, arguments, max_attempts, run_at, state, finished_at"


@pytest.fixture
async def partitions(superuser):
    """The names of auth's partitions of those years; dropped afterwards."""

    async def names() -> set[str]:
        rows = await superuser.fetch(
            "select relname from pg_class where relispartition and relkind = 'r'"
            " and relnamespace = 'auth'::regnamespace and relname ~ '_y204'"
        )
        return {row["relname"] for row in rows}

    yield names
    for name in await names():
        await superuser.execute(f"drop table auth.{name}")


async def keep_house(database, at: datetime) -> None:
    async def now(_tx) -> datetime:
        return at

    await Housekeeping(database, common_tasks(), now=now).once()


def id_at(moment: datetime) -> UUID:
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (new_id().int & (2**62 - 1)))


async def note(database, moment: datetime) -> UUID:
    event_id = id_at(moment)
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        await tx.exec_driver_sql(f"INSERT INTO inbox VALUES ('test', '{event_id}', '{NOW}')")
    return event_id


class TestPartitions:
    async def test_of_this_month_and_the_next_are_made(self, database, partitions):
        await keep_house(database, NOW)

        assert await partitions() == {
            "inbox_y2041m05",
            "inbox_y2041m06",
            "audit_log_y2041m05",
            "audit_log_y2041m06",
        }

    async def test_take_the_rows_of_their_month(self, database, superuser, partitions):
        await keep_house(database, NOW)

        await note(database, NOW)
        await note(database, datetime(2041, 6, 1, tzinfo=UTC))

        assert await superuser.fetchval("select count(*) from only auth.inbox_y2041m05") == 1
        assert await superuser.fetchval("select count(*) from only auth.inbox_y2041m06") == 1

    async def test_are_as_closed_as_the_table(self, database, superuser, partitions):
        await keep_house(database, NOW)

        closed = await superuser.fetchval(
            "select bool_and(relrowsecurity and relforcerowsecurity) from pg_class"
            " where relname ~ '_y204' and relkind = 'r'"
        )
        granted = await superuser.fetchval(
            "select count(*) from information_schema.role_table_grants where table_name ~ '_y204'"
            " and grantee not in ('auth_owner', 'postgres')"
        )

        assert closed
        assert granted == 0

    async def test_are_dropped_when_all_they_can_hold_is_past_its_retention(self, database, partitions):
        await keep_house(database, NOW)
        june = Month(2041, 6)

        await keep_house(database, june.ends_at + timedelta(days=36))
        assert "inbox_y2041m06" in await partitions()
        assert "inbox_y2041m05" not in await partitions()

        await keep_house(database, june.ends_at + timedelta(days=37))
        assert "inbox_y2041m06" not in await partitions()
        assert {"audit_log_y2041m05", "audit_log_y2041m06"} <= await partitions()

    async def test_of_the_audit_log_stay_for_thirteen_months(self, database, partitions):
        await keep_house(database, NOW)

        await keep_house(database, datetime(2042, 6, 30, tzinfo=UTC))
        assert "audit_log_y2041m05" in await partitions()

        await keep_house(database, datetime(2042, 7, 15, tzinfo=UTC))
        assert "audit_log_y2041m05" not in await partitions()
        assert "audit_log_y2041m06" in await partitions()

    async def test_of_a_month_that_the_default_holds_already_stop_nothing(
        self, database, superuser, partitions
    ):
        stray = await note(database, NOW)

        await keep_house(database, NOW)

        assert await partitions() == {"inbox_y2041m06", "audit_log_y2041m05", "audit_log_y2041m06"}
        assert await superuser.fetchval("select event_id from auth.inbox_default") == stray

    async def test_are_left_to_the_worker_that_is_making_them(self, database, databases, partitions):
        async with database.transaction(as_user=Context.SYSTEM) as first:
            await keep_partitions(first, TABLES, now=NOW)
            async with (
                asyncio.timeout(10),
                databases("auth", "worker").transaction(as_user=Context.SYSTEM) as second,
            ):
                await keep_partitions(second, TABLES, now=NOW)

        assert len(await partitions()) == 4

    async def test_are_made_once_when_two_workers_keep_house(self, databases, partitions):
        workers = [databases("auth", "worker") for _ in range(2)]

        for month in range(1, 13):
            at = datetime(2042, month, 2, tzinfo=UTC)
            await asyncio.gather(*(keep_house(database, at) for database in workers))

        assert "inbox_y2043m01" in await partitions()


class TestPurge:
    async def test_ends_revoked_sessions_whose_last_token_has_expired(self, database, superuser):
        for hours in (-2, 0, 2):
            await superuser.execute(
                "insert into auth.revoked_sids values ($1, $2, $3)",
                new_id(),
                NOW - timedelta(days=1),
                NOW + timedelta(hours=hours),
            )

        await keep_house(database, NOW)

        left = await superuser.fetch("select expires_at from auth.revoked_sids order by 1")
        assert [row["expires_at"] for row in left] == [NOW, NOW + timedelta(hours=2)]

    async def test_keeps_finished_jobs_for_as_long_as_it_is_told(self, database, superuser):
        await superuser.execute(
            f"insert into auth.jobs ({_COLUMNS})"
            " select gen_random_uuid(), 'test', n, '{}', 1, now(), 'failed', now() - make_interval(days => n)"
            " from generate_series(1, 5) n"
        )

        await Housekeeping(database, common_tasks(jobs_kept=timedelta(days=3, hours=1))).once()

        left = await superuser.fetch("select dedupe_key from auth.jobs order by 1")
        assert [row["dedupe_key"] for row in left] == ["1", "2", "3"]

    async def test_forgets_parked_messages_after_so_long_and_opens_the_keys_that_are_empty(
        self, databases, superuser
    ):
        profile = databases("profile", "worker")
        delivery = Delivery(profile, Handlers("profile"), consumer="test")
        long_ago, lately = new_id(), new_id()
        for offset, key in enumerate((long_ago, long_ago, lately, lately)):
            await delivery.park(message(offset, key=key), POISON, attempts=1)
        await superuser.execute(
            "update profile.parked_messages set parked_at = $1 where key = $2 or record_offset = 2",
            datetime.now(UTC) - timedelta(days=41),
            str(long_ago),
        )

        await Housekeeping(profile, common_tasks(parked_kept=timedelta(days=40))).once()

        left = await superuser.fetch("select key, record_offset from profile.parked_messages")
        assert [tuple(row) for row in left] == [(str(lately), 3)]
        assert await superuser.fetchval("select array_agg(key) from profile.parked_keys") == [str(lately)]

    async def test_ends_finished_jobs_after_their_fortnight_and_no_others(self, database, superuser):
        await superuser.execute(
            f"insert into auth.jobs ({_COLUMNS})"
            " select gen_random_uuid(), 'test', n, '{}', 1, $1, 'failed', $1 from generate_series(2, 2500) n",
            NOW - timedelta(days=14, seconds=1),
        )
        await superuser.execute(
            f"insert into auth.jobs ({_COLUMNS})"
            " values (gen_random_uuid(), 'test', '0', '{}', 1, $1, 'queued', null),"
            " (gen_random_uuid(), 'test', '1', '{}', 1, $1, 'failed', $2)",
            NOW - timedelta(days=99),
            NOW - timedelta(days=13),
        )

        await keep_house(database, NOW)

        left = await superuser.fetch("select dedupe_key from auth.jobs order by 1")
        assert [row["dedupe_key"] for row in left] == ["0", "1"]

    async def test_goes_on_to_the_end_in_a_table_that_is_believed_to_be_nearly_empty(
        self, database, superuser
    ):
        """The planner knows a table as it was when it was last looked at."""
        jobs = (
            f"insert into auth.jobs ({_COLUMNS})"
            " select gen_random_uuid(), 'test', n, '{}', 1, $1, 'failed', $1 from generate_series(1, 2500) n"
        )
        await superuser.execute(jobs, NOW - timedelta(days=15))
        await superuser.execute("delete from auth.jobs where ctid < (select max(ctid) from auth.jobs)")
        await superuser.execute("vacuum analyze auth.jobs")
        await superuser.execute(jobs, NOW - timedelta(days=15))

        await keep_house(database, NOW)

        assert await superuser.fetchval("select count(*) from auth.jobs") == 0

    async def test_ends_old_inbox_rows_that_no_partition_will_take_along(self, database, superuser):
        for days in (36, 38):
            event_id = UUID(int=days)
            await superuser.execute(
                "insert into auth.inbox values ('test', $1, $2)", event_id, NOW - timedelta(days=days)
            )

        await keep_house(database, NOW)

        left = await superuser.fetch("select event_id from auth.inbox")
        assert [row["event_id"] for row in left] == [UUID(int=36)]

    async def test_ends_old_audit_rows_that_no_partition_will_take_along(self, database, superuser):
        for age in (AUDIT_KEPT - timedelta(days=1), AUDIT_KEPT + timedelta(days=1)):
            await superuser.execute(
                "insert into auth.audit_log (id, at, actor, action) values ($1, $2, 'test', $3)",
                UUID(int=age.days),
                NOW - age,
                "kept" if age < AUDIT_KEPT else "past",
            )

        await keep_house(database, NOW)

        assert await superuser.fetchval("select array_agg(action) from auth.audit_log") == ["kept"]


class TestHousekeeping:
    async def test_goes_by_the_clock_of_the_database(self, database, superuser):
        told: list[datetime] = []

        async def step(_tx, now):
            told.append(now)
            return False

        before = await superuser.fetchval("select clock_timestamp()")
        await Housekeeping(database, [Task("asks", step)]).once()

        assert before <= told[0] <= await superuser.fetchval("select clock_timestamp()")

    async def test_goes_on_past_a_task_that_fails_and_tries_it_again(self, database):
        done = []

        async def fails(tx, now):
            done.append("failing")
            raise RuntimeError

        async def works(tx, now):
            done.append("working")
            return False

        stop = asyncio.Event()
        tasks = [Task("fails", fails), Task("works", works)]
        loop = asyncio.create_task(Housekeeping(database, tasks, interval_seconds=0.02).run(stop))

        await eventually(lambda: done[:4] == ["failing", "working"] * 2)
        stop.set()
        await loop

    async def test_takes_bounded_steps_until_nothing_is_left(self, database):
        left = 3

        async def step(tx, now):
            nonlocal left
            left -= 1
            return left > 0

        await Housekeeping(database, [Task("steps", step)]).once()

        assert left == 0
