"""What the registry of tables says about who may do what is what PostgreSQL lets them do."""

from itertools import product

import asyncpg
import pytest

from common.contracts.topics import SERVICES
from common.postgres.bootstrap import contexts_of
from common.postgres.context import Context
from common.postgres.tables import ALL, READ, Grants, Schema, TableAccess
from tests.support.services import SCHEMAS

each_service = pytest.mark.parametrize("service", SERVICES)

_TABLES = """
select c.oid, c.relname as name, c.relispartition as is_partition,
    c.relrowsecurity as has_policies, c.relforcerowsecurity as forced
from pg_class c where c.relnamespace = $1::text::regnamespace and c.relkind in ('r', 'p')
"""

_ON_COLUMNS = """
select r.rolname as role, c.relname as table, a.attname as column, p.name as privilege
from pg_roles r
cross join pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
cross join (values ('select'), ('insert'), ('update')) p(name)
where c.relnamespace = $1::text::regnamespace and c.relkind in ('r', 'p') and r.rolname = any($2)
  and has_column_privilege(r.oid, c.oid, a.attnum, p.name)
"""

_ON_TABLES = """
select r.rolname as role, c.relname as table, p.name as privilege
from pg_roles r
cross join pg_class c
cross join (values ('delete'), ('truncate'), ('references'), ('trigger')) p(name)
where c.relnamespace = $1::text::regnamespace and c.relkind in ('r', 'p') and r.rolname = any($2)
  and has_table_privilege(r.oid, c.oid, p.name)
"""

_VIEWS = """
select c.relname as view, c.reloptions as options, r.rolname as role, p.name as privilege
from pg_class c
join (values ('select'), ('insert'), ('update'), ('delete')) p(name) on true
join pg_roles r on r.rolname = any($2) and has_table_privilege(r.oid, c.oid, p.name)
where c.relnamespace = $1::text::regnamespace and c.relkind in ('v', 'm')
"""

_POLICIES = """
select c.relname as table, p.polname as name, pg_get_expr(p.polqual, p.polrelid) as using,
    pg_get_expr(p.polwithcheck, p.polrelid) as checking,
    array(select rolname::text from pg_roles where oid = any(p.polroles)) as roles
from pg_policy p join pg_class c on c.oid = p.polrelid
where c.relnamespace = $1::text::regnamespace
"""


def grants_of(service: str, table: TableAccess) -> dict[str, Grants]:
    """By the end of the role's name; only auth has all of them."""
    shared = READ if table.kind == "shared" else Grants()
    named = {str(context): grants for context, grants in table.others.items()}
    by_role = {"user": table.user, str(Context.SYSTEM): table.system, str(Context.SHARED): shared, **named}
    return {ending: by_role.get(ending, Grants()) for ending in contexts_of(service)}


def expected_columns(schema: Schema) -> set[tuple[str, str, str, str]]:
    found: set[tuple[str, str, str, str]] = set()
    for table in schema.tables:
        columns = (
            ["version_num"]
            if table.name == "alembic_version"
            else list(schema.metadata.tables[table.name].c.keys())
        )
        for (ending, grants), verb in product(
            grants_of(schema.service, table).items(), ("select", "insert", "update")
        ):
            granted = getattr(grants, verb)
            named = columns if granted == ALL else granted
            found |= {(f"{schema.service}_{ending}", table.name, column, verb) for column in named}
    return found


def everybody() -> list[str]:
    roles = [f"{service}_{ending}" for service in SERVICES for ending in contexts_of(service)]
    logins = [f"{service}_{login}" for service in SERVICES for login in ("api", "worker")]
    return [*roles, *logins, "pgb_auth"]


class TestRegistry:
    @each_service
    async def test_names_every_table_and_no_other(self, superuser: asyncpg.Connection, service):
        found = {row["name"] for row in await superuser.fetch(_TABLES, service) if not row["is_partition"]}

        assert found == {table.name for table in SCHEMAS[service].tables}

    @each_service
    async def test_is_what_roles_may_do_with_each_column(self, superuser, service):
        rows = await superuser.fetch(_ON_COLUMNS, service, everybody())

        assert {tuple(row) for row in rows} == expected_columns(SCHEMAS[service])

    @each_service
    async def test_is_what_roles_may_do_with_whole_tables(self, superuser, service):
        rows = await superuser.fetch(_ON_TABLES, service, everybody())

        assert {tuple(row) for row in rows} == {
            (f"{service}_{ending}", table.name, "delete")
            for table in SCHEMAS[service].tables
            for ending, grants in grants_of(service, table).items()
            if grants.delete
        }

    @each_service
    async def test_is_what_roles_may_do_with_views_and_none_lends_its_owner_s_rights(
        self, superuser, service
    ):
        rows = await superuser.fetch(_VIEWS, service, [*everybody(), "postgres"])

        named = {view.name for view in SCHEMAS[service].views}
        read = {(row["view"], row["role"], row["privilege"]) for row in rows if row["role"] != "postgres"}
        assert {row["view"] for row in rows} == named
        assert all(row["options"] == ["security_invoker=true"] for row in rows)
        assert read == {
            (view.name, f"{service}_{reader}", "select")
            for view in SCHEMAS[service].views
            for reader in view.readers
        }


class TestRowLevelSecurity:
    @each_service
    async def test_is_on_and_forced_on_every_table_and_partition(self, superuser, service):
        tables = await superuser.fetch(_TABLES, service)

        assert [row["name"] for row in tables if not (row["has_policies"] and row["forced"])] == []

    @each_service
    async def test_shows_the_owner_nothing_unless_a_migration_runs(self, superuser, service):
        tables = {row["name"] for row in await superuser.fetch(_TABLES, service)}
        policies = [row for row in await superuser.fetch(_POLICIES, service) if row["name"] == "owner"]

        assert {row["table"] for row in policies} == tables
        assert {row["using"] for row in policies} == {
            "(current_setting('app.owner_may'::text, true) = 'yes'::text)"
        }
        assert all(row["roles"] == [f"{service}_owner"] for row in policies)

    @each_service
    async def test_shows_a_user_their_own_rows_only(self, superuser, service):
        owned = {table.name: table for table in SCHEMAS[service].tables if table.kind == "user"}
        policies = {
            row["table"]: row
            for row in await superuser.fetch(_POLICIES, service)
            if row["roles"] == [f"{service}_user"] and row["table"] in owned
        }

        assert policies.keys() == owned.keys()
        for name, policy in policies.items():
            assert policy["using"] == policy["checking"]
            assert policy["using"].startswith(f"({owned[name].owner_column} = ( SELECT {service}.app_uid()")

    @each_service
    async def test_lets_nobody_past_it(self, superuser, service):
        past = await superuser.fetch(
            "select rolname from pg_roles where (rolbypassrls or rolsuper) and rolname like $1",
            f"{service}\\_%",
        )

        assert past == []
