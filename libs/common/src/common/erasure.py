"""Erased users stay erased: their rows go by one event, and nothing that comes later makes new ones.

Making a user's first row in a service and erasing both hold a lock on the user and look at `erased_users`;
every other row of a user refers to that first one.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from common.clock import Clock
from common.contracts.auth import UserErased
from common.contracts.envelope import Event
from common.contracts.erasure import ErasureConfirmation
from common.contracts.topics import USERS
from common.errors import Kind, QuartetError
from common.ids import NewId
from common.messaging.outbox import record
from common.postgres.asking import ask
from common.postgres.engine import Transaction
from common.postgres.tables import Schema
from common.postgres.trip import Row, Step

USER_ERASED = "user.erased"

# A statement of its own: one that looked as well would see what stood there before it had to wait. In one
# order for everybody.
_LOCK = """
    SELECT count(pg_advisory_xact_lock(name)) FROM (
        SELECT DISTINCT hashtextextended(current_schema() || '/user/' || id, 0) AS name
        FROM unnest($1::uuid[]) AS users (id) ORDER BY name
    ) names
"""
_IS_ERASED = "SELECT EXISTS (SELECT FROM erased_users WHERE user_id = $1)"
_REMEMBER = sa.text("""
    INSERT INTO erased_users (user_id) SELECT unnest(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING
""")

_UNPARK = sa.text("""
    DELETE FROM parked_messages WHERE user_id = ANY(CAST(:ids AS uuid[]))
        OR (topic = :topic AND key = ANY(CAST(:keys AS text[])))
    RETURNING consumer, topic, key
""")
# Locked before it is looked whether they are empty: whoever was appending has finished then.
_LOCK_KEYS = sa.text("""
    SELECT FROM parked_keys WHERE (consumer, topic, key) IN (
        SELECT * FROM unnest(CAST(:consumers AS text[]), CAST(:topics AS text[]), CAST(:keys AS text[])))
    ORDER BY consumer, topic, key FOR UPDATE
""")
_OPEN_KEYS = sa.text("""
    DELETE FROM parked_keys k WHERE (consumer, topic, key) IN (
        SELECT * FROM unnest(CAST(:consumers AS text[]), CAST(:topics AS text[]), CAST(:keys AS text[])))
    AND NOT EXISTS (SELECT FROM parked_messages m
                    WHERE m.consumer = k.consumer AND m.topic = k.topic AND m.key = k.key)
""")

Hook = Callable[[Transaction, Sequence[UUID]], Awaitable[None]]


def user_erased() -> QuartetError:
    return QuartetError(USER_ERASED, "This user was erased; nothing is kept for them.", kind=Kind.NOT_FOUND)


def asking_to_begin(*, user_id: UUID) -> tuple[Step, Step]:
    return Step(_LOCK, ([user_id],)), Step(_IS_ERASED, (user_id,))


def may_have_begun(found: Sequence[Sequence[Row]]) -> bool:
    _, [(erased,)] = found
    return not erased


async def may_begin(tx: Transaction, *, user_id: UUID) -> bool:
    """Before a user's first row in a service: False for whoever was erased. Holds until the commit."""
    return may_have_begun(await ask(tx, *asking_to_begin(user_id=user_id)))


async def lock_users(tx: Transaction, user_ids: Iterable[UUID]) -> None:
    await ask(tx, Step(_LOCK, (list(user_ids),)))


async def remember_erased(tx: Transaction, user_ids: Iterable[UUID]) -> None:
    """Of users who are locked."""
    await tx.execute(_REMEMBER, {"ids": list(user_ids)})


async def sweep(tx: Transaction, schema: Schema, user_ids: Sequence[UUID]) -> Counter[UUID]:
    """Deletes the users' rows of every table that the registry calls theirs; how many, by user."""
    deleted: Counter[UUID] = Counter()
    for table, owner in _tables_of_users(schema):
        gone = await tx.execute(
            sa.text(f"""
                WITH gone AS (
                    DELETE FROM {table} WHERE {owner} = ANY(CAST(:ids AS uuid[])) RETURNING {owner} AS owner)
                SELECT owner, count(*) FROM gone GROUP BY owner
            """),
            {"ids": list(user_ids)},
        )
        deleted.update({row.owner: row.count for row in gone})
    return deleted


async def unpark(tx: Transaction, user_ids: Sequence[UUID]) -> None:
    """As system: messages about these users wait for nothing any more, and their keys are open again."""
    keys = [str(user_id) for user_id in user_ids]
    gone = await tx.execute(_UNPARK, {"ids": list(user_ids), "topic": USERS.name, "keys": keys})
    emptied = sorted({tuple(row) for row in gone if row.key is not None})
    if emptied:
        consumers, topics, names = map(list, zip(*emptied, strict=True))
        told = {"consumers": consumers, "topics": topics, "keys": names}
        await tx.execute(_LOCK_KEYS, told)
        await tx.execute(_OPEN_KEYS, told)


async def _nothing(tx: Transaction, user_ids: Sequence[UUID]) -> None:
    pass


@dataclass(frozen=True)
class Erasing:
    """The set-based handler of `user.erased`: afterwards the service holds nothing of these users."""

    schema: Schema
    confirmation: type[ErasureConfirmation]
    new_id: NewId
    clock: Clock
    also: Hook = _nothing
    """For what is kept elsewhere, as files are: a handler asks no network, but it may make a job."""

    async def __call__(self, tx: Transaction, events: Sequence[Event[UserErased]]) -> None:
        """Told again it deletes nothing more and confirms again, which mends a confirmation that was lost."""
        user_ids = sorted({event.data.user_id for event in events})
        await lock_users(tx, user_ids)
        await remember_erased(tx, user_ids)
        deleted = await sweep(tx, self.schema, user_ids)
        await unpark(tx, user_ids)
        await self.also(tx, user_ids)
        await record(tx, *(self._confirmed(user_id, deleted[user_id]) for user_id in user_ids))

    def _confirmed(self, user_id: UUID, rows: int) -> Event[ErasureConfirmation]:
        now = self.clock()
        confirmed = self.confirmation(user_id=user_id, erased_at=now, rows=rows)
        return Event(id=self.new_id(), key=str(user_id), user_id=user_id, time=now, data=confirmed)


def _tables_of_users(schema: Schema) -> Iterator[tuple[str, str]]:
    """With the column that names the user; rows that refer to others come before those."""
    owners = {
        table.name: table.owner_column
        for table in schema.tables
        if table.kind == "user" and not table.outlives_users
    }
    for table in reversed(schema.metadata.sorted_tables):
        if table.name in owners and table.name != "parked_messages":
            yield table.name, owners[table.name]
