"""The indexes of `profiles` one after the other taken away, in a database of their own of a million rows."""

import statistics
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from profile_service.storage.tables import metadata

ROWS = 1_000_000
NAME = "bench_profiles"
TIMES, PATIENCE_SECONDS = 200, 3.0
"""Each statement so often, or for so long."""

# Every tenth is incomplete, as those are who only tried: the partial index is for finding them.
_FILL = f"""
    INSERT INTO profiles (user_id, first_name, last_name, display_name, bio, phone_number, address_country,
        version, created_at, updated_at, completed_at)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'Ada', 'Lovelace', 'Ada ' || n, repeat('I like engines. ', 5),
        '+4420' || (70000000 + n), 'GB', 2, now() - n * interval '1 s', now(),
        CASE WHEN n % 10 > 0 THEN now() END
    FROM generate_series(1, {ROWS}) AS n
"""
_LOOK_UP = "SELECT * FROM profiles WHERE user_id = $1"
_NEWEST = "SELECT * FROM profiles WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1"
_INCOMPLETE = "SELECT user_id FROM profiles WHERE completed_at IS NULL ORDER BY created_at LIMIT 100"
_COUNT = "SELECT count(*) FROM profiles WHERE completed_at IS NULL"


def _user(number: int) -> UUID:
    return UUID(int=1 + number * 7919 % ROWS)


_ASKED: dict[str, tuple[str, Callable[[int], tuple[Any, ...]]]] = {
    "a profile by its user": (_LOOK_UP, lambda number: (_user(number),)),
    "the same, newest first": (_NEWEST, lambda number: (_user(number),)),
    "the 100 oldest incomplete": (_INCOMPLETE, lambda _: ()),
    "how many are incomplete": (_COUNT, lambda _: ()),
}
_TAKEN_AWAY = {
    "profiles_incomplete_idx": "DROP INDEX profiles_incomplete_idx",
    "profiles_user_id_created_at_idx": "DROP INDEX profiles_user_id_created_at_idx",
    "the primary key too": "ALTER TABLE profiles DROP CONSTRAINT profiles_pkey",
}


@asynccontextmanager
async def _filled(server_url: str) -> AsyncGenerator[asyncpg.Connection]:
    server = await asyncpg.connect(server_url)
    try:
        await server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        await server.execute(f"CREATE DATABASE {NAME}")
        connection = await asyncpg.connect(urlsplit(server_url)._replace(path=f"/{NAME}").geturl())
        try:
            await _fill(connection)
            yield connection
        finally:
            await connection.close()
            await server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    finally:
        await server.close()


async def _fill(connection: asyncpg.Connection) -> None:
    """The columns and indexes that the service declares; its CHECKs are none of what is measured."""
    table = metadata.tables["profiles"].to_metadata(sa.MetaData())
    table.constraints = {one for one in table.constraints if not isinstance(one, sa.CheckConstraint)}
    dialect = postgresql.dialect()
    await connection.execute(str(CreateTable(table).compile(dialect=dialect)))
    await connection.execute(_FILL)
    for index in table.indexes:
        await connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
    await connection.execute("VACUUM ANALYZE profiles")


async def indexes_on_and_off(server_url: str) -> list[dict[str, object]]:
    columns: dict[str, dict[str, float]] = {}
    async with _filled(server_url) as connection:
        sizes = await connection.fetch(
            "SELECT indexrelid::regclass::text AS name, pg_relation_size(indexrelid) AS bytes"
            " FROM pg_index WHERE indrelid = 'profiles'::regclass"
        )
        columns["all indexes"] = await _measured(connection)
        for name, statement in _TAKEN_AWAY.items():
            await connection.execute(statement)
            columns[f"without {name}"] = await _measured(connection)
    megabytes = {row["name"]: round(row["bytes"] / 1_000_000, 1) for row in sizes}
    return [
        *({"asked": asked, **{name: column[asked] for name, column in columns.items()}} for asked in _ASKED),
        *({"asked": f"{name}: {size} MB", **dict.fromkeys(columns, "")} for name, size in megabytes.items()),
    ]


async def _measured(connection: asyncpg.Connection) -> dict[str, float]:
    return {asked: await _median_ms(connection, *how) for asked, how in _ASKED.items()}


async def _median_ms(
    connection: asyncpg.Connection, statement: str, arguments: Callable[[int], tuple[Any, ...]]
) -> float:
    prepared = await connection.prepare(statement)
    await prepared.fetch(*arguments(0))
    took: list[float] = []
    until = time.perf_counter() + PATIENCE_SECONDS
    while len(took) < TIMES and time.perf_counter() < until:
        began = time.perf_counter()
        await prepared.fetch(*arguments(len(took)))
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)
