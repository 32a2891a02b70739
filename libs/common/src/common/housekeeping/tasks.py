"""What every schema needs to have tidied up, and for how long things are kept."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from common.contracts.topics import TOPICS
from common.housekeeping.loop import Task
from common.housekeeping.parked import forget_parked
from common.housekeeping.partitions import Partitioned, keep_partitions
from common.postgres.engine import Transaction

REPLAY_AGE: Final = timedelta(days=30)
"""How old a parked message may be when it is replayed."""
KAFKA_RETENTION: Final = max(topic.retention for topic in TOPICS)
INBOX_KEPT: Final = KAFKA_RETENTION + REPLAY_AGE
"""Shorter, and a message that comes once more would be applied twice."""
AUDIT_KEPT: Final = timedelta(days=13 * 31)
REVOCATION_MARGIN: Final = timedelta(hours=1)
"""Past the end of the last token of a session, for clocks that disagree."""
PARKED_KEPT: Final = timedelta(days=90)
"""Never less than the inbox: for so long a message may be looked for."""
JOBS_KEPT: Final = timedelta(days=14)
IDEMPOTENCY_KEPT: Final = timedelta(days=2)
"""How long a request may be sent again with its key at least."""
BATCH: Final = 1000

TABLES: Final = (
    Partitioned("inbox", "event_id", kept=INBOX_KEPT),
    Partitioned("audit_log", "id", kept=AUDIT_KEPT),
)

# In each: a row that another worker is deleting is skipped, so two of them never wait for each other.
# A list in WHERE is asked for anew for each row where a table is believed to be nearly empty, and each time
# other rows come first: 1,724 were deleted as a batch of 1,000. A list in WITH is made once.
_REVOKED_SIDS = sa.text("""
    WITH old AS MATERIALIZED (
        SELECT session_id FROM revoked_sids WHERE expires_at < :before
        ORDER BY expires_at LIMIT :batch FOR UPDATE SKIP LOCKED)
    DELETE FROM revoked_sids WHERE session_id IN (SELECT session_id FROM old)
""")
_JOBS = sa.text("""
    WITH old AS MATERIALIZED (
        SELECT id FROM jobs WHERE finished_at < :before
        ORDER BY finished_at LIMIT :batch FOR UPDATE SKIP LOCKED)
    DELETE FROM jobs WHERE id IN (SELECT id FROM old)
""")
_IDEMPOTENCY_KEYS = sa.text("""
    WITH old AS MATERIALIZED (
        SELECT user_id, key FROM idempotency_keys WHERE created_at < :before
        ORDER BY created_at LIMIT :batch FOR UPDATE SKIP LOCKED)
    DELETE FROM idempotency_keys WHERE (user_id, key) IN (SELECT user_id, key FROM old)
""")
# Ids that are no UUIDv7 of a month with a partition: they are in no partition that could be dropped.
_STRAY_INBOX = sa.text("""
    WITH old AS MATERIALIZED (
        SELECT consumer, event_id FROM inbox
        WHERE tableoid = CAST('inbox_default' AS regclass) AND processed_at < :before
        LIMIT :batch FOR UPDATE SKIP LOCKED)
    DELETE FROM inbox WHERE (consumer, event_id) IN (SELECT consumer, event_id FROM old)
""")
# Whoever deletes is not allowed to change these rows, which locking them would ask for.
_STRAY_AUDIT = sa.text("""
    WITH old AS MATERIALIZED (
        SELECT id FROM audit_log
        WHERE tableoid = CAST('audit_log_default' AS regclass) AND at < :before
        LIMIT :batch)
    DELETE FROM audit_log WHERE id IN (SELECT id FROM old)
""")


def common_tasks(
    *, jobs_kept: timedelta = JOBS_KEPT, parked_kept: timedelta = PARKED_KEPT
) -> tuple[Task, ...]:
    async def parked(tx: Transaction, now: datetime) -> bool:
        return await forget_parked(tx, before=now - max(parked_kept, INBOX_KEPT))

    return (
        Task("partitions", _partitions),
        Task("parked", parked),
        _purge("revoked_sids", _REVOKED_SIDS, REVOCATION_MARGIN),
        _purge("jobs", _JOBS, jobs_kept),
        _purge("idempotency_keys", _IDEMPOTENCY_KEYS, IDEMPOTENCY_KEPT),
        _purge("stray_inbox", _STRAY_INBOX, INBOX_KEPT),
        _purge("stray_audit", _STRAY_AUDIT, AUDIT_KEPT),
    )


async def _partitions(tx: Transaction, now: datetime) -> bool:
    await keep_partitions(tx, TABLES, now=now)
    return False


def _purge(name: str, statement: sa.TextClause, kept: timedelta) -> Task:
    async def step(tx: Transaction, now: datetime) -> bool:
        deleted = await tx.execute(statement, {"before": now - kept, "batch": BATCH})
        return deleted.rowcount == BATCH

    return Task(name, step)
