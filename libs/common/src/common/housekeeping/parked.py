"""Parked messages that nobody has looked at for so long that nobody will."""

from datetime import datetime

import sqlalchemy as sa
import structlog

from common.postgres.engine import Transaction

_LOG = structlog.get_logger()

_MOST_KEYS = 100

# As a replay does: whoever appends to the key waits, and looks again. One that is worked on is left alone.
_LOCK = sa.text("""
    SELECT consumer, topic, key FROM parked_keys k
    WHERE EXISTS (SELECT FROM parked_messages m
                  WHERE m.consumer = k.consumer AND m.topic = k.topic AND m.key = k.key
                    AND m.parked_at < :before)
    ORDER BY consumer, topic, key LIMIT :most
    FOR UPDATE SKIP LOCKED
""")
_MESSAGES = sa.text("""
    DELETE FROM parked_messages WHERE parked_at < :before AND (key IS NULL OR (consumer, topic, key) IN (
        SELECT consumer, topic, key FROM unnest(
            CAST(:consumers AS text[]), CAST(:topics AS text[]), CAST(:keys AS text[])
        ) AS k (consumer, topic, key)))
""")
_OPEN = sa.text("""
    DELETE FROM parked_keys k
    WHERE (consumer, topic, key) IN (
        SELECT consumer, topic, key FROM unnest(
            CAST(:consumers AS text[]), CAST(:topics AS text[]), CAST(:keys AS text[])
        ) AS k (consumer, topic, key))
    AND NOT EXISTS (SELECT FROM parked_messages m
                    WHERE m.consumer = k.consumer AND m.topic = k.topic AND m.key = k.key)
""")


async def forget_parked(tx: Transaction, *, before: datetime) -> bool:
    """True when there is more to do. A key of which nothing is left is open again."""
    locked = (await tx.execute(_LOCK, {"before": before, "most": _MOST_KEYS})).all()
    names = {
        "consumers": [row.consumer for row in locked],
        "topics": [row.topic for row in locked],
        "keys": [row.key for row in locked],
    }
    forgotten = (await tx.execute(_MESSAGES, {"before": before, **names})).rowcount
    opened = (await tx.execute(_OPEN, names)).rowcount
    if forgotten:
        _LOG.warning("parked.forgotten", messages=forgotten, keys=opened)
    return len(locked) == _MOST_KEYS
