"""Keys that had to stop, and the messages that wait in them (ADR 0006)."""

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa

from common.ids import new_id
from common.messaging.failures import Failure, FailureKind
from common.messaging.headers import TRACE_HEADERS, Record, readable_key, schema_of, trace_of, user_of
from common.messaging.messages import Message
from common.postgres.engine import Transaction
from common.postgres.trip import Row, Step

# Most often nothing is parked, and sending every key of a batch to learn that costs more than the inbox does.
_SEEN = "SELECT topic, key FROM parked_keys WHERE consumer = $1 LIMIT $2"
_MOST_SEEN = 1_000

# FOR KEY SHARE waits for a replay that holds the row; a key that was emptied meanwhile is not in the answer.
# In one order, so that workers wait for each other and not in a ring.
_PARKED = sa.text("""
    SELECT p.topic, p.key FROM parked_keys p
    WHERE p.consumer = :consumer AND (p.topic, p.key) IN (
        SELECT topic, key FROM unnest(CAST(:topics AS text[]), CAST(:keys AS text[])) AS k (topic, key))
    ORDER BY p.topic, p.key
    FOR KEY SHARE
""")

# A key that is there already is changed by nothing but locked: a replay that is about to open it is waited
# for, and what it deleted is inserted anew. DO NOTHING would leave the message without its key.
_PARK_KEY = sa.text("""
    INSERT INTO parked_keys AS k
        (consumer, topic, key, kind, error_class, error_detail, attempts, next_attempt_at)
    VALUES (:consumer, :topic, :key, :kind, :error_class, :error_detail, :attempts, now() + :drain_after)
    ON CONFLICT (consumer, topic, key) DO UPDATE SET attempts = k.attempts
""")

_PARK_MESSAGE = sa.text("""
    INSERT INTO parked_messages (
        id, consumer, topic, partition, record_offset, key, headers, payload, kind, error_class, error_detail,
        attempts, event_id, event_type, user_id, trace, versions)
    VALUES (
        :id, :consumer, :topic, :partition, :record_offset, :key, CAST(:headers AS jsonb), :payload, :kind,
        :error_class, :error_detail, :attempts, :event_id, :event_type, :user_id, :trace,
        CAST(:versions AS jsonb))
""")

# it is read from a file
_version = cache(version)

WAITS = Failure(FailureKind.PERMANENT, "KeyParked", "waits behind an earlier message of its key")


def looking(*, consumer: str) -> Step:
    """What `lock_parked` has to have seen."""
    return Step(_SEEN, (consumer, _MOST_SEEN))


async def lock_parked(
    tx: Transaction, *, consumer: str, messages: Sequence[Message], seen: Sequence[Row]
) -> set[tuple[str, str]]:
    """Which keys of these messages are parked; they stay so until this transaction ends."""
    keys = {(message.topic, message.key) for message in messages if message.key is not None}
    if len(seen) < _MOST_SEEN:
        keys.intersection_update(seen)
    if not keys:
        return set()
    found = await tx.execute(
        _PARKED,
        {"consumer": consumer, "topics": [topic for topic, _ in keys], "keys": [key for _, key in keys]},
    )
    return {(row.topic, row.key) for row in found}


async def append(tx: Transaction, *, consumer: str, message: Message) -> None:
    """Behind what waits in the message's key already."""
    await tx.execute(_PARK_MESSAGE, _row(consumer, message, WAITS, attempts=0))


async def park(
    tx: Transaction,
    *,
    consumer: str,
    message: Message,
    failure: Failure,
    attempts: int,
    drain_after: timedelta,
) -> None:
    """Stops the message's key; a message without one is kept alone and stops nothing."""
    if message.key is not None:
        await tx.execute(
            _PARK_KEY,
            {
                "consumer": consumer,
                "topic": message.topic,
                "key": message.key,
                "kind": failure.kind.value,
                "error_class": failure.error_class,
                "error_detail": failure.detail,
                "attempts": attempts,
                "drain_after": drain_after if failure.kind is FailureKind.TRANSIENT else None,
            },
        )
    await tx.execute(_PARK_MESSAGE, _row(consumer, message, failure, attempts=attempts))


def _row(consumer: str, message: Message, failure: Failure, *, attempts: int) -> dict[str, Any]:
    """What cannot be decoded is still some user's, and is erased with them."""
    return {
        "id": new_id(),
        "consumer": consumer,
        "topic": message.topic,
        "partition": message.tp.partition,
        "record_offset": message.offset,
        "key": message.key,
        "headers": pack_headers(message.record),
        "payload": message.record.value,
        "kind": failure.kind.value,
        "error_class": failure.error_class,
        "error_detail": failure.detail,
        "attempts": attempts,
        "event_id": message.event_id,
        "event_type": message.event_type,
        "user_id": user_of(message.record),
        "trace": trace_of(message.record).get(TRACE_HEADERS[0]),
        "versions": json.dumps(_versions(message.record)),
    }


def _versions(record: Record) -> dict[str, str]:
    """Of the code that failed and of the schema that the message says it has."""
    versions, schema = {"common": _version("quartet-common")}, schema_of(record)
    return versions if schema is None else versions | {"schema": schema}


def pack_headers(record: Record) -> str:
    """In their order and number; bytes that are no text are kept as base64, and so is an unreadable key."""
    packed = [_packed(name, value) for name, value in record.headers]
    if record.key is not None and readable_key(record) is None:
        packed.append(_packed("", record.key))
    return json.dumps(packed)


def unpack_headers(packed: list[dict[str, str]]) -> tuple[list[tuple[str, bytes | None]], bytes | None]:
    headers = [(_name(item), _value(item)) for item in packed]
    key = next((value for name, value in headers if not name), None)
    return [(name, value) for name, value in headers if name], key


def _packed(name: str, value: bytes | None) -> dict[str, str]:
    raw = name.encode(errors="surrogateescape")
    if "\x00" in name or raw != name.encode(errors="replace"):  # jsonb holds no NUL and no half of a pair
        return _packed("?", value) | {"name_base64": base64.b64encode(raw).decode()}
    if value is None:
        return {"name": name}
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        return {"name": name, "base64": base64.b64encode(value).decode()}
    return {"name": name, "text": text}


def _name(item: dict[str, str]) -> str:
    if "name_base64" not in item:
        return item["name"]
    return base64.b64decode(item["name_base64"]).decode(errors="surrogateescape")


def _value(item: dict[str, str]) -> bytes | None:
    if "text" not in item and "base64" not in item:
        return None
    return item["text"].encode() if "text" in item else base64.b64decode(item["base64"])
