"""The registry of tables against what the server has, and what the owner may see."""

import asyncpg
import pytest

from common.contracts.topics import SERVICES
from common.ids import new_id
from common.postgres.context import Context

each_service = pytest.mark.parametrize("service", SERVICES)

MEANT_FOR_EVERYBODY = {"public_profiles", "avatars"}
"""What users show to all others, written in the transaction of the row that it is made from."""

_TABLES = """
select c.relname as name, c.relispartition as is_partition, c.relrowsecurity as enabled,
    c.relforcerowsecurity as forced, pg_get_userbyid(c.relowner) as owner,
    (select pg_get_expr(p.polqual, c.oid) from pg_policy p
     where p.polrelid = c.oid and p.polname = 'owner') as gate,
    (select count(*) from pg_policy p
     where p.polrelid = c.oid and p.polroles @> array[0::oid]) as for_everybody
from pg_class c where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'm', 'f')
"""

_GRANTED = """
select distinct grantee from information_schema.column_privileges
where table_schema = $1 and grantee <> $1 || '_owner'
"""

_USER_COLUMNS = """
select distinct table_name from information_schema.columns c
where table_schema = $1 and column_name = 'user_id'
"""


async def faults(superuser, service) -> list[str]:
    """What a table lacks to be under forced row-level security."""
    rows = await superuser.fetch(_TABLES, service)
    return [
        f"{row['name']}: {fault}"
        for row in rows
        for fault, is_so in (
            ("row-level security is off", not row["enabled"]),
            ("not forced", not row["forced"]),
            ("not the owner's", row["owner"] != f"{service}_owner"),
            ("the owner is not gated", "app.owner_may" not in (row["gate"] or "")),
            ("a policy for everybody", row["for_everybody"]),
        )
        if is_so
    ]


@each_service
class TestRegistryOfTables:
    async def test_names_exactly_the_tables_of_the_schema(self, superuser, schemas, service):
        rows = await superuser.fetch(_TABLES, service)

        found = {row["name"] for row in rows if not row["is_partition"]}
        assert found == {table.name for table in schemas[service].tables}

    async def test_puts_each_of_them_under_forced_row_level_security(self, superuser, service):
        assert await faults(superuser, service) == []

    async def test_calls_everything_with_a_user_s_id_a_user_s_table(self, superuser, schemas, service):
        rows = await superuser.fetch(_USER_COLUMNS, service)
        kinds = {table.name: table.kind for table in schemas[service].tables}

        others = {row["table_name"] for row in rows if kinds.get(row["table_name"], "user") != "user"}
        assert others <= MEANT_FOR_EVERYBODY

    async def test_grants_nothing_to_a_login_or_to_everybody(self, superuser, service):
        grantees = {row["grantee"] for row in await superuser.fetch(_GRANTED, service)}

        assert f"{service}_system" in grantees
        assert not {name for name in grantees if name == "PUBLIC" or name.endswith(("_api", "_worker"))}


class TestCheckOfTheRegistry:
    @pytest.mark.parametrize(
        ("planted", "found"),
        [
            ("alter table auth.jobs no force row level security", "jobs: not forced"),
            ("alter table auth.jobs disable row level security", "jobs: row-level security is off"),
            ("alter table auth.inbox_default no force row level security", "inbox_default: not forced"),
            ("drop policy owner on auth.jobs", "jobs: the owner is not gated"),
            ("create policy p on auth.jobs using (true)", "jobs: a policy for everybody"),
        ],
    )
    async def test_sees_what_is_planted(self, superuser, planted, found):
        transaction = superuser.transaction()
        await transaction.start()
        try:
            await superuser.execute(planted)
            assert await faults(superuser, "auth") == [found]
        finally:
            await transaction.rollback()


@pytest.fixture
async def owner(installation, superuser):
    """auth's owner on a direct connection, as a migration has it but for its setting."""
    connection = await asyncpg.connect(installation.stack.postgres_url("auth_owner", installation.worker))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


_ORPHAN = """
create table planted (id uuid primary key, user_id uuid not null);
insert into planted values (gen_random_uuid(), gen_random_uuid());
alter table planted enable row level security;
alter table planted force row level security;
create policy owner on planted to auth_owner using (current_setting('app.owner_may', true) = 'yes');
alter table planted add constraint planted_fkey foreign key (user_id) references users (id) not valid;
"""


class TestOwner:
    async def test_finds_an_orphan_when_it_validates_with_the_setting(self, owner):
        await owner.execute(_ORPHAN)
        await owner.execute("set local app.owner_may = 'yes'")

        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await owner.execute("alter table planted validate constraint planted_fkey")

    async def test_is_blind_without_the_setting_and_validates_what_is_wrong(self, owner):
        """Why env.py refuses to go on without it."""
        await owner.execute(_ORPHAN)

        await owner.execute("alter table planted validate constraint planted_fkey")

        assert await owner.fetchval("select convalidated from pg_constraint where conname = 'planted_fkey'")
        assert await owner.fetchval("select count(*) from planted") == 0


class TestPartitions:
    LOW, HIGH = "01b00000-0000-7000-8000-000000000000", "01c00000-0000-7000-8000-000000000000"
    MAKE = "SELECT make_partition('inbox', 'p1', $1, $2)"

    @pytest.fixture
    async def partition(self, database, superuser):
        async with database.read_transaction(as_user=Context.SYSTEM) as connection:
            made = await connection.fetchval(self.MAKE, self.LOW, self.HIGH)
            again = await connection.fetchval(self.MAKE, self.LOW, self.HIGH)
        yield made, again
        await superuser.execute("drop table if exists auth.inbox_p1")

    async def test_are_made_once_and_under_row_level_security(self, partition, superuser):
        assert partition == (True, False)
        assert await faults(superuser, "auth") == []

    async def test_take_the_rows_of_their_range(self, partition, database, superuser):
        async with database.read_transaction(as_user=Context.SYSTEM) as connection:
            await connection.execute("INSERT INTO inbox VALUES ('c', '01b00000-0000-7000-8000-000000000001')")

        assert await superuser.fetchval("select count(*) from auth.inbox_p1") == 1

    async def test_are_dropped_and_the_default_is_not(self, partition, database, superuser):
        async with database.read_transaction(as_user=Context.SYSTEM) as connection:
            dropped = await connection.fetchval("SELECT drop_partition('inbox', 'p1')")
            default = await connection.fetchval("SELECT drop_partition('inbox', 'default')")
            no_partition = await connection.fetchval("SELECT drop_partition('parked', 'keys')")

        assert (dropped, default, no_partition) == (True, False, False)
        assert await superuser.fetchval("select to_regclass('auth.inbox_p1') is null")

    async def test_are_made_of_partitioned_tables_only(self, database):
        async def make(tx: asyncpg.Connection) -> None:
            await tx.fetchval("SELECT make_partition('jobs', 'p1', $1, $2)", self.LOW, self.HIGH)

        with pytest.raises(asyncpg.RaiseError, match="no partitioned table jobs"):
            async with database.read_transaction(as_user=Context.SYSTEM) as connection:
                await make(connection)

    async def test_are_no_user_s_business(self, database):
        for as_user in (Context.SHARED, new_id()):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with database.read_transaction(as_user=as_user) as connection:
                    await connection.fetchval(self.MAKE, self.LOW, self.HIGH)
