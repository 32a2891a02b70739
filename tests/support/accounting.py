"""What became of a load: rows in every schema and records on every topic, compared with what was accepted."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from aiokafka import ConsumerRecord

from common.contracts.topics import CALENDARS, CHAT_SESSIONS, PROFILES, SERVICES, USERS, Topic, heard_by
from tests.support.streams import Streams

ONCE = {"profiles": 1, "categories": 5, "learners": 1, "weeks": 1}
"""The effects of one registration: rows in profile, calendar and chat."""
TOLD_OF = {"profile.created": PROFILES, "categories.created": CALENDARS, "learner.created": CHAT_SESSIONS}
LISTENERS = tuple(service for service in SERVICES if USERS in heard_by(service))

_EFFECTS = """
select u.id, u.email_norm,
    (select count(*) from profile.profiles p where p.user_id = u.id) as profiles,
    (select count(*) from calendar.categories c where c.user_id = u.id) as categories,
    (select count(*) from chat.learners l where l.user_id = u.id) as learners,
    (select count(*) from chat.usage_weekly w where w.user_id = u.id) as weeks
from auth.users u where u.email_norm like $1
"""


@dataclass(frozen=True)
class Account:
    user_id: UUID
    email: str
    effects: dict[str, int]


async def accounts(connection: asyncpg.Connection, prefix: str) -> list[Account]:
    """Of every address that begins so, whatever the caller was answered."""
    rows = await connection.fetch(_EFFECTS, f"{prefix}%")
    return [Account(row["id"], row["email_norm"], {name: row[name] for name in ONCE}) for row in rows]


async def incomplete(connection: asyncpg.Connection, prefix: str) -> dict[str, dict[str, int]]:
    """Accounts whose effects are not there exactly once."""
    found = await accounts(connection, prefix)
    return {account.email: account.effects for account in found if account.effects != ONCE}


async def waiting(connection: asyncpg.Connection) -> dict[str, int]:
    """Events in outboxes that are not empty."""
    counts = {name: await connection.fetchval(f"select count(*) from {name}.outbox") for name in SERVICES}
    return {name: number for name, number in counts.items() if number}


async def parked(connection: asyncpg.Connection) -> dict[str, list[str]]:
    found = {
        name: [
            f"{row['topic']} {row['key']}: {row['error_class']} {row['error_detail']}"
            for row in await connection.fetch(f"select * from {name}.parked_keys")
        ]
        for name in SERVICES
    }
    return {name: keys for name, keys in found.items() if keys}


async def unheard(connection: asyncpg.Connection, events: Iterable[UUID]) -> dict[str, int]:
    """How many of these events of auth have no inbox row, by listener."""
    wanted = list(events)
    found: dict[str, int] = {}
    for name in LISTENERS:
        heard = f"select event_id from {name}.inbox where consumer = 'consumer' and event_id = any($1)"
        rows = await connection.fetch(heard, wanted)
        found[name] = len(wanted) - len(rows)
    return {name: number for name, number in found.items() if number}


@dataclass(frozen=True)
class Telling:
    """One record on a topic."""

    event_id: UUID
    event_type: str
    key: str
    data: dict[str, object]


def telling(record: "ConsumerRecord[bytes, bytes]") -> Telling:
    """Fails for a record that no relay has written."""
    headers = dict(record.headers)
    assert record.key is not None
    assert record.value is not None
    return Telling(
        event_id=UUID(headers["ce_id"].decode()),
        event_type=headers["ce_type"].decode(),
        key=record.key.decode(),
        data=json.loads(record.value),
    )


async def tellings(streams: Streams, topic: Topic | str, keys: Iterable[UUID]) -> dict[str, list[Telling]]:
    """What the topic tells about these keys, each key's in the order of the topic."""
    found: dict[str, list[Telling]] = {str(key): [] for key in keys}
    for record in await streams.consume_all(topic):
        if record.key is not None and record.key.decode(errors="replace") in found:
            one = telling(record)
            found[one.key].append(one)
    return found


def first_times(told: Iterable[Telling]) -> list[Telling]:
    """In effect: what is sent again after a crash carries the same id, and every inbox knows that id."""
    seen: dict[UUID, Telling] = {}
    for one in told:
        seen.setdefault(one.event_id, one)
    return list(seen.values())
