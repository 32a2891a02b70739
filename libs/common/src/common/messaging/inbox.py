"""Which messages have had their effect: rows of the same transaction as the effect."""

from collections.abc import Iterable
from operator import attrgetter
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction

# In the order of the array. Sorting here instead would double what the statement costs.
_CLAIM = sa.text("""
    INSERT INTO inbox (consumer, event_id)
    SELECT :consumer, unnest(CAST(:ids AS uuid[]))
    ON CONFLICT DO NOTHING
    RETURNING event_id
""")


_number = attrgetter("int")


async def claim(tx: Transaction, *, consumer: str, event_ids: Iterable[UUID]) -> set[UUID]:
    """Those that had no effect yet; another worker's unfinished claim is waited for."""
    # In one order for everybody: two workers with the same messages wait for each other, and not in a ring.
    ids = sorted(event_ids, key=_number)
    claimed = await tx.execute(_CLAIM, {"consumer": consumer, "ids": ids})
    return set(claimed.scalars())
