"""Events are stored with the data that they tell about; the relay sends them after the commit."""

import json

from common.contracts.envelope import Event, Payload
from common.messaging import headers
from common.messaging.traces import recorded
from common.postgres.asking import put_off
from common.postgres.engine import Transaction, wake_after_commit
from common.postgres.trip import Step

MOST_KEYS = 500
"""Of one call: each key is a lock in PostgreSQL's shared table (`max_locks_per_transaction`)."""
MOST_BYTES = 524_288
"""Of one payload: a bigger one could not be sent, and would stop the relay for ever."""

# The keys are locked, in one order for everybody, before any position is drawn: positions are computed
# after the join, so for one key the order of positions is the order of commits (ADR 0005). In a VALUES list
# the position would be drawn first. There is no RETURNING: a user's role may insert and not read.
_RECORD = """
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, topic, payload, headers)
    SELECT e.id, split_part(e.topic, '.', 2), e.key, e.type, e.topic, e.payload::json, e.headers::jsonb
    FROM (
        SELECT count(pg_advisory_xact_lock(name)) FROM (
            SELECT DISTINCT hashtextextended(topic || '/' || key, 0) AS name
            FROM unnest($2::text[], $3::text[]) AS k (topic, key)
            ORDER BY name
        ) names
    ) locked, unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
        WITH ORDINALITY AS e (id, topic, key, type, payload, headers, number)
    ORDER BY e.number
"""


class EventTooLargeError(ValueError):
    pass


async def record(tx: Transaction, *events: Event[Payload]) -> None:
    """The only way to publish. Lock or insert the aggregate's row before you build the event."""
    if not events:
        return
    if len({(event.data.topic.name, event.key) for event in events}) > MOST_KEYS:
        raise ValueError(f"more than {MOST_KEYS} keys in one record()")
    if any(len(event.key.encode()) > headers.MOST_KEY_BYTES for event in events):
        raise EventTooLargeError(f"a key is longer than {headers.MOST_KEY_BYTES} bytes")
    with recorded(events) as current:
        put_off(
            tx,
            Step(
                _RECORD,
                (
                    [event.id for event in events],
                    [event.data.topic.name for event in events],
                    [event.key for event in events],
                    [event.type for event in events],
                    [_payload(event) for event in events],
                    [json.dumps(headers.encode(event, trace=event.trace or current)) for event in events],
                ),
            ),
        )
    wake_after_commit(tx, "outbox")


def _payload(event: Event[Payload]) -> str:
    payload = event.data.model_dump_json()
    if len(payload.encode()) > MOST_BYTES:
        raise EventTooLargeError(f"{event.type} is larger than {MOST_BYTES} bytes")
    return payload
