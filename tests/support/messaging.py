"""Running parts of the messaging, and handlers whose effects can be counted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg
import sqlalchemy as sa

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.messaging.handlers import Handlers
from common.postgres.engine import Transaction


class Part(Protocol):
    async def run(self, stop: asyncio.Event) -> None: ...


@asynccontextmanager
async def running(*parts: Part) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Stops them in the order given and fails when one crashed."""
    runs = [(asyncio.Event(), part) for part in parts]
    tasks = [asyncio.create_task(part.run(stop)) for stop, part in runs]
    try:
        yield tasks
    finally:
        for (stop, _), task in zip(runs, tasks, strict=True):
            stop.set()
            if not task.cancelled():
                async with asyncio.timeout(20):
                    await task


async def effect(tx: Transaction, event: Event[UserRegistered]) -> None:
    await tx.execute(
        sa.text("INSERT INTO effects (event_id, key, version) VALUES (:id, :key, :version)"),
        {"id": event.id, "key": event.key, "version": event.data.version},
    )


async def effects(tx: Transaction, events: Sequence[Event[UserRegistered]]) -> None:
    rows: dict[str, list[Any]] = {
        "ids": [event.id for event in events],
        "keys": [event.key for event in events],
        "versions": [event.data.version for event in events],
    }
    await tx.execute(
        sa.text("""
            INSERT INTO effects (event_id, key, version) SELECT * FROM unnest(
                CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:versions AS integer[]))
        """),
        rows,
    )


def each(handler: Any = effect) -> Handlers:
    handlers = Handlers("profile")
    handlers.each(UserRegistered, handler)
    return handlers


def batch(handler: Any = effects) -> Handlers:
    handlers = Handlers("profile")
    handlers.batch(UserRegistered, handler)
    return handlers


async def versions(connection: asyncpg.Connection) -> dict[str, list[int]]:
    """What had an effect, by key, in the order of the effects."""
    found: dict[str, list[int]] = {}
    for row in await connection.fetch("select key, version from profile.effects order by position"):
        found.setdefault(row["key"], []).append(row["version"])
    return found
