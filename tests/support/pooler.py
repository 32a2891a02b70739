"""What PgBouncer has counted, asked on its console."""

from decimal import Decimal

import psycopg

from quartet_cli.stack import Stack


async def transactions(stack: Stack, alias: str) -> int:
    """Of one alias, since the pooler started; told at once, unlike PostgreSQL's own figures."""
    url = stack.postgres_url("pgb_stats", "pgbouncer", port="pgbouncer")
    # The console speaks the simple protocol only, which is what this cursor sends.
    connecting = psycopg.AsyncConnection.connect(
        url, autocommit=True, cursor_factory=psycopg.AsyncClientCursor
    )
    async with await connecting as connection:
        answer = await connection.execute("SHOW STATS_TOTALS")
        columns = [column.name for column in answer.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in await answer.fetchall()]
    counted = {row["database"]: row["xact_count"] for row in rows}
    return int(counted.get(alias, Decimal(0)))
