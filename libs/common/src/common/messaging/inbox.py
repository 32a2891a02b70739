"""Which messages have had their effect: rows of the same transaction as the effect."""

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction

# In one order for everybody: two workers with the same messages wait for each other, and not in a ring.
_CLAIM = sa.text("""
    INSERT INTO inbox (consumer, event_id)
    SELECT :consumer, id FROM unnest(CAST(:ids AS uuid[])) AS i (id) ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING event_id
""")


async def claim(tx: Transaction, *, consumer: str, event_ids: Iterable[UUID]) -> set[UUID]:
    """Those that had no effect yet; another worker's unfinished claim is waited for."""
    claimed = await tx.execute(_CLAIM, {"consumer": consumer, "ids": list(event_ids)})
    return set(claimed.scalars())
