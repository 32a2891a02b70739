"""Grants and row-level security, generated from the registry of tables (ADR 0003)."""

import hashlib
from collections.abc import Iterator

from common.postgres.bootstrap import contexts_of
from common.postgres.context import Context
from common.postgres.tables import ALL, READ, Columns, Grants, Schema, TableAccess

OWNER_SETTING = "app.owner_may"
"""FORCE makes the owner blind, and then VALIDATE CONSTRAINT succeeds without looking: migrations set this."""

_OWNER_SEES = f"current_setting('{OWNER_SETTING}', true) = 'yes'"

# a partition is reached through its parent, whose policies count; its own keep everybody else out
FUNCTIONS = ("make_partition(text, text, text, text)", "drop_partition(text, text)")

_PARTITIONS = f"""
do $$
declare child record;
begin
    for child in
        select i.inhrelid::regclass as name, c.oid
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where c.relnamespace = '{{schema}}'::regnamespace and c.relkind in ('r', 'p')
    loop
        execute format('alter table %s enable row level security', child.name);
        execute format('alter table %s force row level security', child.name);
        if not exists (select from pg_policy where polrelid = child.oid and polname = 'owner') then
            execute format(
                'create policy owner on %s to {{schema}}_owner using ({_OWNER_SEES.replace("'", "''")})',
                child.name);
        end if;
    end loop;
end $$;
"""

_DROP_POLICIES = """
do $$
declare found record;
begin
    for found in
        select p.polname, p.polrelid::regclass as relation
        from pg_policy p join pg_class c on c.oid = p.polrelid
        where c.relnamespace = '{schema}'::regnamespace
    loop
        execute format('drop policy %I on %s', found.polname, found.relation);
    end loop;
end $$;
"""


def access_sql(schema: Schema) -> str:
    """Idempotent: whatever was granted before, afterwards it is what the registry says. Run by the owner."""
    service = schema.service
    roles = ", ".join(f"{service}_{context}" for context in contexts_of(service))
    return "".join(
        (
            f"revoke all on all tables in schema {service} from {roles};\n",
            f"revoke all on all functions in schema {service} from {roles};\n",
            _DROP_POLICIES.format(schema=service),
            *(statement for table in schema.tables for statement in _table_sql(service, table)),
            *(
                f"grant select on {service}.{view.name} to {service}_{reader};\n"
                for view in schema.views
                for reader in view.readers
            ),
            _PARTITIONS.format(schema=service),
            *(
                f"grant execute on function {service}.{function} to {service}_system;\n"
                for function in FUNCTIONS
            ),
        )
    )


def access_hash(schema: Schema) -> str:
    return hashlib.sha256(access_sql(schema).encode()).hexdigest()


def _table_sql(service: str, table: TableAccess) -> Iterator[str]:
    name = f"{service}.{table.name}"
    yield f"alter table {name} enable row level security;\n"
    yield f"alter table {name} force row level security;\n"
    yield f"create policy owner on {name} to {service}_owner using ({_OWNER_SEES});\n"
    own = f"{table.owner_column} = (select {service}.app_uid())"
    if table.kind == "user":
        yield from _role_sql(name, f"{service}_user", table.user, rows=own)
    elif _is_any(table.user):
        yield from _role_sql(name, f"{service}_user", table.user, rows=table.user.rows)
    yield from _role_sql(name, f"{service}_system", table.system, rows=table.system.rows)
    if table.kind == "shared":
        yield from _role_sql(name, f"{service}_shared", READ, rows="true")
    for context, grants in table.others.items():
        if context in (Context.SYSTEM, Context.SHARED):
            raise ValueError(f"{service}.{table.name}: {context} is not one of the others")
        # the common tables speak of login and admin too, which only auth has
        if context in contexts_of(service):
            yield from _role_sql(name, f"{service}_{context}", grants, rows=grants.rows)


def _role_sql(table: str, role: str, grants: Grants, *, rows: str) -> Iterator[str]:
    privileges = ", ".join(
        (
            *_privilege("select", grants.select),
            *_privilege("insert", grants.insert),
            *_privilege("update", grants.update),
            *(("delete",) if grants.delete else ()),
        )
    )
    if privileges:
        yield f"grant {privileges} on {table} to {role};\n"
    yield f"create policy {role} on {table} to {role} using ({rows}) with check ({rows});\n"


def _privilege(verb: str, columns: Columns) -> tuple[str, ...]:
    if not columns:
        return ()
    return (verb,) if columns == ALL else (f"{verb} ({', '.join(columns)})",)


def _is_any(grants: Grants) -> bool:
    return bool(grants.select or grants.insert or grants.update or grants.delete)
