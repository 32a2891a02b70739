"""Sends the outbox to Kafka, in the order of commits for each key (ADR 0005)."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from pydantic_core import from_json

from common.ids import new_id
from common.messaging import kafka as names
from common.messaging import metrics
from common.messaging.backoff import Backoff, Chance, elapses
from common.messaging.channel import Channel, ChannelError, Outgoing
from common.messaging.failures import Failure, FailureKind, database_is_away
from common.messaging.floor import Floor
from common.messaging.hints import Wakeups
from common.messaging.lease import HELD, Lease
from common.messaging.pace import Pace, PaceSettings
from common.messaging.traces import sent
from common.postgres.context import Context
from common.postgres.engine import Database
from common.postgres.trip import Step
from common.settings import KafkaSettings

log = structlog.get_logger(__name__)

_GUARD = f"""
    SELECT pg_try_advisory_xact_lock(hashtextextended($2, 0)) AS alone, {HELD} AS held,
           pg_postmaster_start_time() AS server
"""

# From the floor on, below which no late commit can come: another bound could pass one and see its key's next.
# The bytes are those stored: what comes out is larger by the compression, which is bounded in turn.
_READ = """
    SELECT position, topic, aggregateid, payload, headers FROM (
        SELECT position, topic, aggregateid, payload::text AS payload, headers::text AS headers,
               sum(pg_column_size(payload)) OVER (ORDER BY position) - pg_column_size(payload) AS before
        FROM (SELECT * FROM outbox WHERE position > $3 ORDER BY position LIMIT $1) first_rows
    ) counted
    WHERE before < $2
    ORDER BY position
"""

_DELETE = "DELETE FROM outbox WHERE position = ANY($1::bigint[])"

# Only asks whether there is something. EXISTS would be planned as a scan of the table, past all dead rows.
_PROBE = "SELECT (SELECT position FROM outbox WHERE position > $1 ORDER BY position LIMIT 1) IS NOT NULL"
_BEHIND = 10_000

# Whoever inserts has this lock from before a position is drawn until the commit can be seen.
_WRITERS = sa.text("""
    SELECT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND relation = CAST('outbox' AS regclass)
""")
_SWEEP = sa.text("""
    SELECT count(*) AS waiting, min(position) AS first,
           coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float AS age
    FROM (SELECT position, created_at FROM outbox WHERE position > :floor ORDER BY position LIMIT 10000) w
""")


@dataclass(frozen=True)
class RelaySettings(PaceSettings):
    bytes: int = 4_194_304
    lease_seconds: float = 6.0
    renew_seconds: float = 2.0
    kafka_seconds: float = 8.0
    """Patience with Kafka inside a batch; shorter than PostgreSQL's with an idle transaction."""


class Relay:
    """One of all processes of a service relays; it never leaves an event out and never overtakes one."""

    def __init__(
        self,
        database: Database,
        kafka: KafkaSettings,
        wakeups: Wakeups,
        *,
        service: str,
        settings: RelaySettings | None = None,
        holder: UUID | None = None,
        channel: Channel | None = None,
        now: Callable[[], float] = time.monotonic,
        chance: Chance = random.random,
    ) -> None:
        self._database = database
        self._settings = settings or RelaySettings()
        self._wakeups = wakeups
        self._hint = wakeups.event("outbox")
        self._batch_name = f"quartet/relay/{service}/0"
        self._topic_prefix = names.topic_name(kafka, "")
        self._pace = Pace(self._settings, chance)
        self._now = now
        self._chance = chance
        self._floor = Floor()
        self.lease = Lease(database, holder=holder or new_id(), seconds=self._settings.lease_seconds, now=now)
        self.channel = channel or Channel(
            kafka,
            transactional_id=names.own_name(kafka, service, "relay-0"),
            patience_seconds=self._settings.kafka_seconds,
        )

    async def run(self, stop: asyncio.Event) -> None:
        backoff, failures = Backoff(first_seconds=0.1, most_seconds=2.0), 0
        try:
            while not stop.is_set():
                try:
                    if await self.lease.take():
                        await self._lead(stop)
                    else:
                        await elapses(self._settings.renew_seconds / 2, unless=stop)
                    failures = 0
                except Exception as error:
                    # a late answer or a lock that was not to be had says no more about the rows than none
                    if not database_is_away(error) and Failure.of(error).kind is not FailureKind.TRANSIENT:
                        raise
                    failures += 1
                    log.warning("relay.database_away", error=str(error), attempt=failures)
                    await elapses(backoff.delay(failures, self._chance), unless=stop)
        finally:
            await self.channel.close()
            with suppress(Exception):
                async with asyncio.timeout(2.0):
                    await self.lease.give_up()

    async def _lead(self, stop: asyncio.Event) -> None:
        log.info("relay.leads", holder=str(self.lease.holder))
        metrics.RELAY_LEADING.set(1)
        # A new leader always makes a new producer: starting it fences the one before.
        self.channel.discard()
        beside = [asyncio.create_task(self._keep_the_lease()), asyncio.create_task(self._wake_at(stop))]
        try:
            await self._relay_while_held(stop)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
            for gauge in (metrics.RELAY_LEADING, metrics.OUTBOX_ROWS, metrics.OUTBOX_OLDEST_AGE):
                gauge.set(0)
            log.info("relay.led", holder=str(self.lease.holder))

    async def _relay_while_held(self, stop: asyncio.Event) -> None:
        while not stop.is_set() and self.lease.held:
            self._hint.clear()
            await self._sweep_when_due()
            try:
                await self.channel.open()
                sent, more_waits = await self._relay_batch()
            except ChannelError as error:
                pause = self._pace.refused()
                metrics.RELAY_FAILURES.inc()
                log.warning("relay.kafka_refused", error=str(error), attempt=self._pace.failures)
                await elapses(pause, unless=stop)
                continue
            if sent:
                self._pace.sent()
            else:
                self._pace.found_nothing()
            if not more_waits:
                await self._wait_for_more(stop)

    async def _relay_batch(self) -> tuple[int, bool]:
        """Reads, sends and deletes in one transaction; how many, and whether more may wait."""
        # On the driver's connection: five thousand rows at once are too many to be dressed as SQLAlchemy's.
        guard = Step(_GUARD, (self.lease.holder, self._batch_name))
        async with self._database.read_transaction(as_user=Context.SYSTEM, first=(guard,)) as connection:
            [[(alone, held, server)]] = connection.found_first
            if not held:
                self.lease.lose()
                return 0, False
            if not alone:  # a batch of the leader before is still open
                return 0, False
            floor = self._floor.on(server)
            limit = self._pace.rows
            rows = await connection.fetch(_READ, limit, self._settings.bytes, floor)
            self._pace.tries(len(rows))
            if not rows:
                return 0, False
            messages = [self._outgoing(*row) for row in rows]
            with sent(messages):
                await self.channel.send(messages)
            connection.put_off(Step(_DELETE, ([row[0] for row in rows],)))
        self._floor.sent(rows[-1][0])
        _count(rows)
        # a hint of whoever committed meanwhile is still set; what nobody hints at is found by the next poll
        return len(rows), len(rows) == limit or _may_fill(self._settings.bytes, rows)

    def _outgoing(self, _: int, topic: str, key: str, payload: str, headers: str) -> Outgoing:
        named: dict[str, str] = from_json(headers)
        return Outgoing(
            topic=self._topic_prefix + topic,
            key=key.encode(),
            value=payload.encode(),
            headers=[(name, value.encode()) for name, value in named.items()],
        )

    async def _wait_for_more(self, stop: asyncio.Event) -> None:
        """Returns when there is something to send, or when nobody can be sure that there is nothing."""
        while not stop.is_set() and self.lease.held:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.rest(hints_arrive=not self._wakeups.away)):
                    await self._hint.wait()
            if self._hint.is_set() or await self._something_waits():
                return
            self._pace.found_nothing()

    async def _something_waits(self) -> bool:
        if await self._sweep_when_due():
            return True
        async with self._database.read_transaction(as_user=Context.SYSTEM) as connection:
            above = max(self._floor.position, self._floor.sent_up_to - _BEHIND)
            return bool(await connection.fetchval(_PROBE, above))

    async def _sweep_when_due(self) -> bool:
        """Counts, also while Kafka takes nothing: then the age is what shows it."""
        now = self._now()
        if not self._pace.sweep_is_due(now):
            return False
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            # in this order: what those who are gone by now have committed is seen by the second statement
            writers = frozenset((await tx.execute(_WRITERS)).scalars())
            swept = (await tx.execute(_SWEEP, {"floor": self._floor.position})).one()
        self._floor.swept(writers=writers, first=swept.first)
        self._pace.swept(now)
        metrics.OUTBOX_ROWS.set(swept.waiting)
        metrics.OUTBOX_OLDEST_AGE.set(swept.age)
        return swept.waiting > 0

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._hint.set()

    async def _keep_the_lease(self) -> None:
        while True:
            await asyncio.sleep(self._settings.renew_seconds)
            try:
                if not await self.lease.take():
                    return
            except Exception as error:  # noqa: BLE001 - what cannot be renewed runs out by itself
                log.warning("relay.lease_not_renewed", error=type(error).__name__)


def _may_fill(stored_bytes: int, rows: Sequence[Any]) -> bool:
    """A character is stored in four bytes at most, and a payload has a header of as many."""
    return sum(4 * len(row[3]) + 4 for row in rows) >= stored_bytes


def _count(rows: Sequence[Any]) -> None:
    for topic, number in Counter(row[1] for row in rows).items():
        metrics.RELAY_SENT.labels(topic).inc(number)
