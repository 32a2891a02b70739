"""From Kafka's partitions to the lanes, and back: the offsets of what is done (ADR 0006)."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from common.contracts.envelope import Payload
from common.messaging import metrics
from common.messaging.backoff import Backoff, Chance, elapses
from common.messaging.delivery import Delivery
from common.messaging.flow import Flow
from common.messaging.lanes import Lane, LaneSettings
from common.messaging.messages import lane_of, read
from common.messaging.offsets import Offsets
from common.messaging.rebalance import Handover

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class IntakeSettings:
    lanes: int = 4
    lane: LaneSettings = field(default_factory=LaneSettings)
    most_in_flight: int = 2_000
    """Of a partition; it is paused above this."""
    fetch: int = 2_000
    """At once: as many as the lanes take in one transaction each."""
    fetch_seconds: float = 0.2
    commit_seconds: float = 0.05
    patience_seconds: float = 4.0
    """With Kafka, when it is to take a commit or to be left: a silent one holds up no process that stops."""
    handover_seconds: float = 40.0


class Intake:
    """Fetches, hands each message to its key's lane, and commits the unbroken run of what is done."""

    def __init__(
        self,
        delivery: Delivery,
        settings: IntakeSettings,
        *,
        by_stem: Mapping[str, type[Payload]],
        prefix: str,
        chance: Chance = random.random,
    ) -> None:
        self._settings = settings
        self._by_stem = by_stem
        self._prefix = prefix
        self._chance = chance
        self._consumer: AIOKafkaConsumer | None = None
        self._committing = asyncio.Lock()
        self.offsets = Offsets()
        self.flow = Flow(self.offsets, most_in_flight=settings.most_in_flight)
        self._lanes = [
            Lane(delivery, self.offsets, self.flow, settings.lane, chance=chance)
            for _ in range(settings.lanes)
        ]
        self.handover = Handover(
            self._lanes,
            self.offsets,
            self.flow,
            commit=self._commit,
            patience_seconds=settings.handover_seconds,
        )

    async def run(self, consumer: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        """Ends when told to, with what is done committed, or with a part that crashes."""
        self._consumer = consumer
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(lane.run()) for lane in self._lanes]
            workers.append(tasks.create_task(self._commit_what_is_done()))
            await self._fetch(consumer, stop)
            await self.handover.on_partitions_revoked(set(consumer.assignment()))
            for worker in workers:
                worker.cancel()

    async def _fetch(self, consumer: AIOKafkaConsumer, stop: asyncio.Event) -> None:
        backoff, failures = Backoff(first_seconds=0.2, most_seconds=5.0), 0
        while not stop.is_set():
            self.flow.apply(consumer)
            try:
                fetched: dict[TopicPartition, list[Any]] = await consumer.getmany(
                    timeout_ms=int(self._settings.fetch_seconds * 1000), max_records=self._settings.fetch
                )
            except (KafkaError, OSError) as error:
                failures += 1
                log.warning("consumer.fetch_failed", error=type(error).__name__, attempt=failures)
                await elapses(backoff.delay(failures, self._chance), unless=stop)
                await self._read_again(consumer)
                continue
            failures = 0
            self._take(fetched)

    async def _read_again(self, consumer: AIOKafkaConsumer) -> None:
        """Its client has moved on past what it read before the error and did not hand over."""
        for tp in consumer.assignment():
            offset = self.offsets.next_to_read(tp)
            try:
                if offset is None:
                    offset = await consumer.committed(tp)
                if offset is None:
                    await consumer.seek_to_beginning(tp)
                elif tp in consumer.assignment():
                    consumer.seek(tp, offset)
            except (KafkaError, OSError) as error:
                log.warning("consumer.seek_failed", error=type(error).__name__)

    def _take(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        """Without an await since Kafka's client checked whose the partitions are."""
        epoch, prefix = self.flow.epoch, len(self._prefix)
        for tp, records in fetched.items():
            topic = tp.topic[prefix:]
            unwanted: list[int] = []
            for record in records:
                self.offsets.begin(tp, record.offset)
                message = read(record, self._by_stem, tp=tp, topic=topic, epoch=epoch)
                if message is None:
                    unwanted.append(record.offset)
                else:
                    self._lanes[lane_of(message, len(self._lanes))].add(message)
            if unwanted:
                metrics.CONSUMED.labels(topic, tp.partition, "ignored").inc(len(unwanted))
                self.offsets.done(tp, unwanted)
                self.flow.progressed.set()

    async def _commit_what_is_done(self) -> None:
        while True:
            await self.flow.progressed.wait()
            self.flow.progressed.clear()
            await self._commit()
            await asyncio.sleep(self._settings.commit_seconds)

    async def _commit(self) -> None:
        consumer = self._consumer
        if consumer is None:  # a rebalance came before the first fetch: nothing is done yet
            return
        try:
            async with asyncio.timeout(self._settings.patience_seconds):
                await self._commit_in_turn(consumer)
        except TimeoutError:
            log.warning("consumer.commit_late", seconds=self._settings.patience_seconds)
            self.flow.progressed.set()

    async def _commit_in_turn(self, consumer: AIOKafkaConsumer) -> None:
        async with self._committing:
            assigned = consumer.assignment()
            offsets = {tp: offset for tp, offset in self.offsets.to_commit().items() if tp in assigned}
            if not offsets:
                return
            try:
                await consumer.commit(offsets)
            except (CommitFailedError, IllegalStateError) as error:
                # The group gave the partitions to others; their inbox finds what is done already.
                log.info("consumer.commit_refused", error=type(error).__name__)
            except KafkaError as error:
                log.warning("consumer.commit_failed", error=type(error).__name__)
                self.flow.progressed.set()
            else:
                self.offsets.committed(offsets)
