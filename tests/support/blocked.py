import asyncpg

_BLOCKED = """
    select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""


async def blocked(watching: asyncpg.Connection) -> int:
    """How many wait for a lock, most likely for one that the watching connection holds."""
    # within a transaction the server shows the connections that there were when it was asked first
    await watching.execute("select pg_stat_clear_snapshot()")
    return await watching.fetchval(_BLOCKED)
