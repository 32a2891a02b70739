"""Finds what a test leaves behind: connections that nobody gave back, transactions that nobody ended."""

from collections.abc import Iterable

import asyncpg

from common.postgres.pool import Pool

_OPEN = """
select format('%s of %s is %s: %s', coalesce(nullif(application_name, ''), 'a session'),
              usename, state, left(query, 80))
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
  and backend_type = 'client backend'
"""


def checked_out(pools: Iterable[Pool]) -> list[str]:
    """Where each connection was taken that is still out."""
    return [f"a connection is out, taken at {where}" for pool in pools for where in pool.checkouts.places] + [
        f"{pool.checked_out - len(pool.checkouts.places)} places are taken by no connection"
        for pool in pools
        if pool.checked_out > len(pool.checkouts.places)
    ]


async def open_transactions(superuser: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await superuser.fetch(_OPEN)]
