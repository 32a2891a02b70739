"""Messages that stopped are handled after all: the effect, and the end of the waiting, in one transaction."""

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from aiokafka import TopicPartition

from common.messaging.delivery import Delivery
from common.messaging.failures import Failure
from common.messaging.messages import read
from common.messaging.parking import unpack_headers
from common.postgres.context import Context
from common.postgres.engine import Transaction

_LOCK_KEY = sa.text("""
    SELECT kind FROM parked_keys WHERE consumer = :consumer AND topic = :topic AND key = :key FOR UPDATE
""")

_FIRST = sa.text("""
    SELECT id FROM parked_messages WHERE consumer = :consumer AND topic = :topic AND key = :key
    ORDER BY partition, record_offset LIMIT 1
""")

_LOCK_MESSAGE = sa.text("""
    SELECT partition, record_offset, key, headers::text AS headers, payload FROM parked_messages
    WHERE id = :id FOR UPDATE
""")

_DELETE_MESSAGE = sa.text("DELETE FROM parked_messages WHERE id = :id")

# Whoever appends holds FOR KEY SHARE on the key's row: nobody does while it is held FOR UPDATE here.
_OPEN_WHEN_EMPTY = sa.text("""
    DELETE FROM parked_keys k WHERE consumer = :consumer AND topic = :topic AND key = :key
    AND NOT EXISTS (SELECT FROM parked_messages m
                    WHERE m.consumer = k.consumer AND m.topic = k.topic AND m.key = k.key)
""")

_NOTE_KEY = sa.text("""
    UPDATE parked_keys SET kind = :kind, error_class = :error_class, error_detail = :error_detail,
        attempts = attempts + 1,
        next_attempt_at = now() + least(
            CAST(:first AS interval) * power(2, least(attempts, 20)), interval '10 minutes')
    WHERE consumer = :consumer AND topic = :topic AND key = :key
""")

_NOTE_MESSAGE = sa.text("""
    UPDATE parked_messages SET kind = :kind, error_class = :error_class, error_detail = :error_detail,
        attempts = attempts + 1
    WHERE id = :id
""")


class Step(Enum):
    HANDLED = auto()
    NOT_FIRST = auto()
    GONE = auto()


@dataclass(frozen=True)
class StoredRecord:
    """A parked message in the shape of the record that it was."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class _DryRun(Exception):  # noqa: N818 - no error: it undoes what was tried
    pass


async def _nothing(_: Transaction) -> None:
    pass


class Replay:
    def __init__(self, delivery: Delivery, *, first_wait: timedelta = timedelta(seconds=5)) -> None:
        self._delivery = delivery
        self._first_wait = first_wait

    async def one(
        self,
        message_id: UUID,
        topic: str,
        key: str | None,
        *,
        also: Callable[[Transaction], Awaitable[None]] = _nothing,
        dry_run: bool = False,
    ) -> Step:
        """Only the first of its key: order holds in replays too. Raises what the handler raises."""
        step = Step.GONE

        async def use_case(tx: Transaction) -> None:
            nonlocal step
            step = await self._replay(tx, message_id, topic, key, any_position=dry_run)
            if step is Step.HANDLED:
                await also(tx)
            if dry_run:
                raise _DryRun

        with suppress(_DryRun):
            await self._delivery.database.in_transaction(Context.SYSTEM, use_case)
        return step

    async def next_of(self, topic: str, key: str) -> UUID | None:
        """The message that stands in front; None when the key is open again."""
        async with self._delivery.database.transaction(as_user=Context.SYSTEM) as tx:
            return (await tx.execute(_FIRST, self._name(topic, key))).scalar()

    async def note_failure(self, message_id: UUID, topic: str, key: str | None, failure: Failure) -> None:
        noted: dict[str, Any] = {
            "kind": failure.kind.value,
            "error_class": failure.error_class,
            "error_detail": failure.detail,
        }
        async with self._delivery.database.transaction(as_user=Context.SYSTEM) as tx:
            if key is not None:
                await tx.execute(_NOTE_KEY, {**self._name(topic, key), **noted, "first": self._first_wait})
            await tx.execute(_NOTE_MESSAGE, {"id": message_id, **noted})

    async def lock_key(self, tx: Transaction, topic: str, key: str) -> bool:
        """Appends to the key wait until this transaction ends, and look again then."""
        locked = await tx.execute(_LOCK_KEY, self._name(topic, key))
        return locked.first() is not None

    async def open_when_empty(self, tx: Transaction, topic: str, key: str) -> None:
        await tx.execute(_OPEN_WHEN_EMPTY, self._name(topic, key))

    async def _replay(
        self, tx: Transaction, message_id: UUID, topic: str, key: str | None, *, any_position: bool
    ) -> Step:
        if key is not None:
            await self.lock_key(tx, topic, key)
            first = (await tx.execute(_FIRST, self._name(topic, key))).scalar()
            if first is not None and first != message_id and not any_position:
                return Step.NOT_FIRST
        stored = (await tx.execute(_LOCK_MESSAGE, {"id": message_id})).first()
        if stored is None:
            return Step.GONE
        await self._handle(tx, topic, stored)
        await tx.execute(_DELETE_MESSAGE, {"id": message_id})
        if key is not None:
            await self.open_when_empty(tx, topic, key)
        return Step.HANDLED

    async def _handle(self, tx: Transaction, topic: str, stored: Any) -> None:
        headers, unreadable_key = unpack_headers(json.loads(stored.headers))
        record = StoredRecord(
            topic=topic,
            partition=stored.partition,
            offset=stored.record_offset,
            timestamp=0,
            key=unreadable_key if stored.key is None else stored.key.encode(),
            value=stored.payload,
            headers=headers,
        )
        tp = TopicPartition(topic, stored.partition)
        by_stem = self._delivery.handlers.payload_types
        message = read(record, by_stem, tp=tp, topic=topic, epoch=0)
        if message is None:  # of a type that this version does not want any more
            return
        if message.fault is not None:
            raise message.fault
        await self._delivery.handle(tx, [message.event] if message.event else [])

    def _name(self, topic: str, key: str) -> dict[str, str]:
        return {"consumer": self._delivery.consumer, "topic": topic, "key": key}
