"""What an operator can do with messages that stopped; each act is audited in its own transaction."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from common.errors import Kind, QuartetError
from common.ids import new_id
from common.messaging.delivery import Delivery
from common.messaging.failures import Failure, database_is_away
from common.messaging.replay import Replay, Step
from common.postgres.context import Context
from common.postgres.engine import Transaction

MOST_MESSAGES = 1_000
"""Of one call; the answer says whether more fit."""
REPLAY_SECONDS = 10.0
"""Of one call: less than a request may take, so that whoever asked is told what was done."""

_COLUMNS = """
    id, consumer, topic, partition, record_offset, key, event_id, event_type, user_id, kind, error_class,
    error_detail, attempts, trace, versions, parked_at
"""

_MATCHES = """
    consumer = :consumer
    AND (CAST(:id AS uuid) IS NULL OR id = :id)
    AND (CAST(:topic AS text) IS NULL OR topic = :topic)
    AND (CAST(:key AS text) IS NULL OR key = :key)
    AND (CAST(:partition AS integer) IS NULL OR partition = :partition)
    AND (CAST(:first_offset AS bigint) IS NULL OR record_offset >= :first_offset)
    AND (CAST(:last_offset AS bigint) IS NULL OR record_offset <= :last_offset)
"""

_IN_ORDER = "ORDER BY topic, key NULLS FIRST, partition, record_offset LIMIT :limit"

_FIND = sa.text(f"SELECT {_COLUMNS} FROM parked_messages WHERE {_MATCHES} {_IN_ORDER}")

_AUDIT = sa.text("""
    INSERT INTO audit_log (id, actor, action, user_id, data)
    VALUES (:id, :actor, :action, :user_id, CAST(:data AS jsonb))
""")


@dataclass(frozen=True)
class Selection:
    """One message, a key, a range of a partition, or everything: what is not named does not narrow."""

    id: UUID | None = None
    topic: str | None = None
    key: str | None = None
    partition: int | None = None
    first_offset: int | None = None
    last_offset: int | None = None


@dataclass(frozen=True)
class DeadLetter:
    id: UUID
    consumer: str
    topic: str
    partition: int
    record_offset: int
    key: str | None
    event_id: UUID | None
    event_type: str | None
    user_id: UUID | None
    kind: str
    error_class: str
    error_detail: str
    attempts: int
    trace: str | None
    versions: dict[str, str]
    parked_at: datetime


@dataclass(frozen=True)
class Opened:
    letter: DeadLetter
    headers: list[dict[str, str]]
    payload: bytes | None


@dataclass(frozen=True)
class Refusal:
    id: UUID
    reason: str


@dataclass(frozen=True)
class Outcome:
    """`done`: the messages replayed or dropped; in a dry run, those that would be."""

    dry_run: bool
    done: tuple[UUID, ...]
    refused: tuple[Refusal, ...] = ()
    more: bool = False
    """Others fit too, and were not looked at."""


class DeadLetters:
    def __init__(self, delivery: Delivery, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._database = delivery.database
        self._consumer = delivery.consumer
        self._replay = Replay(delivery)

    async def find(self, selection: Selection, *, limit: int = 100) -> list[DeadLetter]:
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            return await self._find(tx, selection, limit=limit)

    async def show(self, letter_id: UUID, *, actor: str) -> Opened:
        """With what it says, so this is audited too."""
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            letter = await self._one(tx, letter_id)
            content = await tx.execute(
                sa.text("SELECT headers, payload FROM parked_messages WHERE id = :id"), {"id": letter_id}
            )
            row = content.one()
            await _audit(tx, actor, "dead_letter.show", letter)
        return Opened(letter, _json(row.headers), row.payload)

    async def replay(self, selection: Selection, *, actor: str, dry_run: bool = False) -> Outcome:
        """In order for each key, one transaction a message; a key stops at the first that fails again."""
        letters = await self.find(selection, limit=MOST_MESSAGES + 1)
        if selection.id is not None and not letters:
            raise _not_found()
        done: list[UUID] = []
        refused: list[Refusal] = []
        stopped: set[tuple[str, str]] = set()
        until = self._now() + REPLAY_SECONDS
        for letter in letters[:MOST_MESSAGES]:
            if self._now() >= until:
                return Outcome(dry_run, tuple(done), tuple(refused), more=True)
            name = (letter.topic, letter.key) if letter.key is not None else None
            if name is not None and name in stopped:
                refused.append(Refusal(letter.id, "an earlier message of its key was refused"))
                continue
            refusal = await self._replay_one(letter, actor=actor, dry_run=dry_run)
            if refusal is None:
                done.append(letter.id)
                continue
            refused.append(refusal)
            if name is not None:
                stopped.add(name)
        return Outcome(dry_run, tuple(done), tuple(refused), more=len(letters) > MOST_MESSAGES)

    async def drop(self, selection: Selection, *, actor: str, dry_run: bool = False) -> Outcome:
        """Their effect never happens. A key whose last message goes is open again."""
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            found = await self._find(tx, selection, limit=MOST_MESSAGES + 1)
            letters = found[:MOST_MESSAGES]
            if selection.id is not None and not letters:
                raise _not_found()
            if not dry_run:
                keys = sorted({(letter.topic, letter.key) for letter in letters if letter.key is not None})
                for topic, key in keys:
                    await self._replay.lock_key(tx, topic, key)
                dropped = await self._delete(tx, letters)
                letters = [letter for letter in letters if letter.id in dropped]
                for letter in letters:
                    await _audit(tx, actor, "dead_letter.drop", letter)
                for topic, key in keys:
                    await self._replay.open_when_empty(tx, topic, key)
        return Outcome(dry_run, tuple(letter.id for letter in letters), more=len(found) > MOST_MESSAGES)

    async def _replay_one(self, letter: DeadLetter, *, actor: str, dry_run: bool) -> Refusal | None:
        async def audited(tx: Transaction) -> None:
            await _audit(tx, actor, "dead_letter.replay", letter)

        try:
            step = await self._replay.one(letter.id, letter.topic, letter.key, also=audited, dry_run=dry_run)
        except QuartetError as error:
            of_the_database = error.code.startswith("database.")
            if database_is_away(error) or (of_the_database and error.kind is Kind.UNAVAILABLE):
                raise
            return await self._refused(letter, error, dry_run=dry_run)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the answer
            return await self._refused(letter, error, dry_run=dry_run)
        reasons = {Step.NOT_FIRST: "an earlier message of its key waits", Step.GONE: "it is gone already"}
        return Refusal(letter.id, reasons[step]) if step in reasons else None

    async def _refused(self, letter: DeadLetter, error: Exception, *, dry_run: bool) -> Refusal:
        failure = Failure.of(error)
        if not dry_run:
            await self._replay.note_failure(letter.id, letter.topic, letter.key, failure)
        return Refusal(letter.id, f"{failure.error_class}: {failure.detail}")

    async def _one(self, tx: Transaction, letter_id: UUID) -> DeadLetter:
        found = await self._find(tx, Selection(id=letter_id), limit=1)
        if not found:
            raise _not_found()
        return found[0]

    async def _find(self, tx: Transaction, selection: Selection, *, limit: int) -> list[DeadLetter]:
        found = await tx.execute(
            _FIND,
            {"consumer": self._consumer, "limit": limit, **vars(selection)},
        )
        return [DeadLetter(**(dict(row) | {"versions": _json(row["versions"])})) for row in found.mappings()]

    async def _delete(self, tx: Transaction, letters: Sequence[DeadLetter]) -> set[UUID]:
        deleted = await tx.execute(
            sa.text("DELETE FROM parked_messages WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING id"),
            {"ids": [letter.id for letter in letters]},
        )
        return set(deleted.scalars())


async def _audit(tx: Transaction, actor: str, action: str, letter: DeadLetter) -> None:
    data = {
        "message_id": str(letter.id),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.record_offset,
        "key": letter.key,
        "event_id": str(letter.event_id) if letter.event_id else None,
    }
    await tx.execute(
        _AUDIT,
        {
            "id": new_id(),
            "actor": actor,
            "action": action,
            "user_id": letter.user_id,
            "data": json.dumps(data),
        },
    )


def _json(value: Any) -> Any:
    """Without a type SQLAlchemy hands over jsonb as text."""
    return json.loads(value) if isinstance(value, str) else value


def _not_found() -> QuartetError:
    return QuartetError("dead_letter.not_found", "There is no such message here.", kind=Kind.NOT_FOUND)
