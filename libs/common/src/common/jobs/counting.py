import sqlalchemy as sa

from common.jobs.metrics import OLDEST_DUE_SECONDS, UNFINISHED
from common.postgres.engine import Transaction

_COUNT = sa.text("""
    SELECT kind, state, count(*) AS number,
           extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'queued')) AS oldest_seconds
    FROM jobs WHERE finished_at IS NULL GROUP BY kind, state
""")


async def count_unfinished(tx: Transaction) -> None:
    """Set the gauges of what waits and runs; kinds that no runner knows are counted too."""
    rows = (await tx.execute(_COUNT)).all()
    UNFINISHED.clear()
    OLDEST_DUE_SECONDS.clear()
    for row in rows:
        UNFINISHED.labels(row.kind, row.state).set(row.number)
        if row.oldest_seconds is not None:
            OLDEST_DUE_SECONDS.labels(row.kind).set(max(0.0, float(row.oldest_seconds)))
