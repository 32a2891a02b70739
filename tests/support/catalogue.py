"""A schema as PostgreSQL itself describes it, one line a thing, so that two can be compared."""

import asyncpg

_DESCRIBE = """
with tables as (
    select c.oid, c.relname, c.relkind
    from pg_class c
    where c.relnamespace = $1::text::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and c.relname <> 'alembic_version'
)
select concat('table ', relname, ' ', pg_get_partkeydef(oid)) from tables
union all
select concat_ws(' ', 'column', t.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then 'not null' end,
    case a.attidentity when 'a' then 'always identity' when 'd' then 'default identity' end,
    case when a.attgenerated <> '' then 'generated' end,
    'default ' || pg_get_expr(d.adbin, d.adrelid))
from tables t
join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
union all
select concat('constraint ', t.relname, '.', k.conname, ' ', pg_get_constraintdef(k.oid),
    case when not k.convalidated then ' not validated' end)
from tables t join pg_constraint k on k.conrelid = t.oid and k.contype <> 't'
union all
select concat('index ', t.relname, ' ', pg_get_indexdef(i.indexrelid))
from tables t join pg_index i on i.indrelid = t.oid
union all
select concat_ws(' ', 'view', relname, array_to_string(reloptions, ','), pg_get_viewdef(oid))
from pg_class where relnamespace = $1::text::regnamespace and relkind in ('v', 'm')
"""

_REST = """
select concat('function ', p.proname, '(', pg_get_function_identity_arguments(p.oid), ')')
from pg_proc p where p.pronamespace = $1::text::regnamespace
union all
select concat('relation ', relname) from pg_class
where relnamespace = $1::text::regnamespace and relname not like 'alembic_version%'
order by 1
"""


async def describe(connection: asyncpg.Connection, schema: str) -> list[str]:
    """Tables, columns, constraints, indexes and views; partitions are the business of those who make them."""
    return sorted(row[0].replace(f"{schema}.", "") for row in await connection.fetch(_DESCRIBE, schema))


async def left_over(connection: asyncpg.Connection, schema: str) -> list[str]:
    """Whatever stands in the schema besides Alembic's own table."""
    return [row[0] for row in await connection.fetch(_REST, schema)]
