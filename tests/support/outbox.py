"""An outbox from both ends: what is put in, what waits in it, and what came out of it on the topic."""

import json
from typing import Any
from uuid import UUID

import asyncpg

from common.contracts.envelope import Event
from common.contracts.topics import USERS
from common.messaging.outbox import record
from common.messaging.relay import RelaySettings
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction, driver_of
from tests.support.factories import user_registered
from tests.support.streams import Streams

QUICK = RelaySettings(lease_seconds=1.0, renew_seconds=0.2)


async def put(database: Database, *versions: int, key: UUID) -> None:
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        await record(tx, *(user_registered(key, version=version) for version in versions))


async def waiting(superuser: asyncpg.Connection) -> int:
    return await superuser.fetchval("select count(*) from auth.outbox")


async def is_empty(superuser: asyncpg.Connection) -> bool:
    return await waiting(superuser) == 0


async def sent(streams: Streams) -> dict[str, list[int]]:
    """The versions on the topic by key, in Kafka's order."""
    found: dict[str, list[int]] = {}
    for message in await streams.consume_all(USERS):
        found.setdefault(message.key.decode(), []).append(json.loads(message.value)["version"])
    return found


async def record_at_once(tx: Transaction, *events: Event[Any]) -> None:
    """Without waiting for the statement, or the COMMIT, that it would leave with."""
    await record(tx, *events)
    await driver_of(tx).ask()
