"""Which messages have had their effect: rows of the same transaction as the effect."""

from collections.abc import Iterable
from operator import attrgetter
from uuid import UUID

from common.postgres.trip import Row, Step

# In the order of the array. Sorting here instead would double what the statement costs.
_CLAIM = """
    INSERT INTO inbox (consumer, event_id) SELECT $1, unnest($2::uuid[])
    ON CONFLICT DO NOTHING RETURNING event_id
"""


_number = attrgetter("int")


def claiming(*, consumer: str, event_ids: Iterable[UUID]) -> Step:
    """Finds those that had no effect yet; another worker's unfinished claim is waited for."""
    # In one order for everybody: two workers with the same messages wait for each other, and not in a ring.
    return Step(_CLAIM, (consumer, sorted(event_ids, key=_number)))


def claimed(rows: Iterable[Row]) -> set[UUID]:
    return {event_id for (event_id,) in rows}
