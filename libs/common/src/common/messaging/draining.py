"""Keys that stopped for something that passes by itself are tried again by themselves."""

import asyncio
from datetime import timedelta

import sqlalchemy as sa
import structlog

from common.messaging.backoff import elapses
from common.messaging.delivery import Delivery
from common.messaging.failures import Failure, FailureKind, database_is_away
from common.messaging.metrics import OLDEST_PARKED_AGE, PARKED_KEYS
from common.messaging.replay import Replay, Step
from common.postgres.context import Context

log = structlog.get_logger(__name__)

_DUE = sa.text("""
    SELECT topic, key FROM parked_keys
    WHERE consumer = :consumer AND kind = 'transient' AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT 10
""")

_COUNT = sa.text("SELECT kind, count(*) AS keys FROM parked_keys WHERE consumer = :consumer GROUP BY kind")
_OLDEST = sa.text("""
    SELECT coalesce(extract(epoch FROM now() - min(parked_at)), 0)::float FROM parked_messages
    WHERE consumer = :consumer
""")


class Drainer:
    def __init__(self, delivery: Delivery, *, every_seconds: float) -> None:
        self._delivery = delivery
        self._every_seconds = every_seconds
        self._replay = Replay(delivery, first_wait=timedelta(seconds=every_seconds))

    async def run(self, stop: asyncio.Event) -> None:
        while await elapses(self._every_seconds, unless=stop):
            try:
                await self._count()
                for topic, key in await self._due():
                    await self._drain(topic, key, stop)
            except Exception as error:
                if not database_is_away(error) and Failure.of(error).kind is not FailureKind.TRANSIENT:
                    raise
                log.warning("drainer.database_away", error=str(error))

    async def _drain(self, topic: str, key: str, stop: asyncio.Event) -> None:
        """Message by message, each in a transaction of its own, until the key is open or one fails again."""
        while not stop.is_set():
            message_id = await self._replay.next_of(topic, key)
            if message_id is None:
                log.info("drainer.opened", topic=topic)
                return
            try:
                step = await self._replay.one(message_id, topic, key)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises
                # also when it lost its session; a database that is away says so here once more
                await self._replay.note_failure(message_id, topic, key, Failure.of(error))
                return
            if step is Step.NOT_FIRST:  # somebody else drains it
                return

    async def _due(self) -> list[tuple[str, str]]:
        async with self._delivery.database.transaction(as_user=Context.SYSTEM) as tx:
            due = await tx.execute(_DUE, {"consumer": self._delivery.consumer})
            return [(row.topic, row.key) for row in due]

    async def _count(self) -> None:
        async with self._delivery.database.transaction(as_user=Context.SYSTEM) as tx:
            keys = await tx.execute(_COUNT, {"consumer": self._delivery.consumer})
            by_kind = {row.kind: row.keys for row in keys}
            oldest = await tx.execute(_OLDEST, {"consumer": self._delivery.consumer})
            OLDEST_PARKED_AGE.set(oldest.scalar_one())
        for kind in FailureKind:
            PARKED_KEYS.labels(kind.value).set(by_kind.get(kind.value, 0))
