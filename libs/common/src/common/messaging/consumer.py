"""Events from Kafka to their handlers: at least once in, once in effect, in order for each key (ADR 0006)."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity

from common.messaging import kafka as names
from common.messaging import metrics
from common.messaging.backoff import Backoff, elapses
from common.messaging.delivery import Delivery
from common.messaging.draining import Drainer
from common.messaging.flow import Flow
from common.messaging.handlers import Handlers
from common.messaging.lanes import Lane, LaneSettings
from common.messaging.messages import lane_of, read
from common.messaging.offsets import Offsets
from common.messaging.rebalance import Handover
from common.postgres.engine import Database
from common.settings import KafkaSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ConsumerSettings:
    lanes: int = 4
    lane: LaneSettings = field(default_factory=LaneSettings)
    most_in_flight: int = 2_000
    """Of a partition; it is paused above this."""
    fetch: int = 1_000
    fetch_seconds: float = 0.2
    commit_seconds: float = 0.05
    patience_seconds: float = 4.0
    """With Kafka, when it is to take a commit or to be left: a silent one holds up no process that stops."""
    session_seconds: float = 10.0
    heartbeat_seconds: float = 3.0
    rebalance_seconds: float = 45.0
    """How long the group waits for a member; longer than a lane's longest transaction and the margin."""
    rebalance_margin_seconds: float = 5.0
    poll_interval_seconds: float = 120.0
    drain_seconds: float = 5.0
    figures_seconds: float = 1.0


@dataclass(frozen=True)
class PartitionProgress:
    topic: str
    partition: int
    highwater: int
    position: int
    """The first offset that is not done."""
    moved_at: float
    """Monotonic; when `position` last moved, or when it last had nothing before it."""

    @property
    def lag(self) -> int:
        return max(0, self.highwater - self.position)


class Consumer:
    """FastStream has the connection, the group and the description; fetching and committing are ours."""

    def __init__(
        self,
        database: Database,
        kafka: KafkaSettings,
        handlers: Handlers,
        *,
        name: str = "consumer",
        settings: ConsumerSettings | None = None,
    ) -> None:
        self._settings = settings or ConsumerSettings()
        self.kafka = kafka
        self._handlers = handlers
        self._by_type = handlers.payload_types
        self.name = name
        self.delivery = Delivery(
            database, handlers, consumer=name, drain_after=timedelta(seconds=self._settings.drain_seconds)
        )
        self._offsets = Offsets()
        self._flow = Flow(self._offsets, most_in_flight=self._settings.most_in_flight)
        self._lanes = [
            Lane(self.delivery, self._offsets, self._flow, self._settings.lane)
            for _ in range(self._settings.lanes)
        ]
        self._drainer = Drainer(self.delivery, every_seconds=self._settings.drain_seconds)
        self._handover = Handover(
            self._lanes,
            self._offsets,
            self._flow,
            commit=self._commit,
            patience_seconds=self._settings.rebalance_seconds - self._settings.rebalance_margin_seconds,
        )
        self._committing = asyncio.Lock()
        self._progress: dict[TopicPartition, PartitionProgress] = {}
        self.broker = KafkaBroker(
            kafka.bootstrap,
            security=BaseSecurity(ssl_context=names.ssl_context(kafka)),
            allow_auto_create_topics=False,
            logger=None,
        )
        self._subscriber = self._subscribe()

    @property
    def progress(self) -> Sequence[PartitionProgress]:
        return tuple(self._progress.values())

    @property
    def lag(self) -> int:
        return sum(partition.lag for partition in self._progress.values())

    @property
    def waits_for_database(self) -> bool:
        return self._flow.waits_for_database > 0

    async def run(self, stop: asyncio.Event) -> None:
        """Ends when told to, with what is done committed and the group left, or with a part that crashes."""
        try:
            if not await self._start(stop):
                return
            async with asyncio.TaskGroup() as tasks:
                workers = [tasks.create_task(lane.run()) for lane in self._lanes]
                workers.append(tasks.create_task(self._commit_what_is_done()))
                workers.append(tasks.create_task(self._keep_figures()))
                workers.append(tasks.create_task(self._drainer.run(stop)))
                await self._fetch(stop)
                await self._handover.on_partitions_revoked(set(self._consumer.assignment()))
                for worker in workers:
                    worker.cancel()
        finally:
            await self._hang_up()
            self._progress.clear()

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        consumer: AIOKafkaConsumer | None = self._subscriber.consumer
        if consumer is None:
            raise RuntimeError("the consumer has not started")
        return consumer

    def _subscribe(self) -> Any:
        """A subscriber without a handler: it never parses and never acks."""
        settings = self._settings
        return self.broker.subscriber(
            *(names.topic_name(self.kafka, topic) for topic in self._handlers.topics),
            group_id=names.own_name(self.kafka, self._handlers.service, self.name),
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            listener=self._handover,
            session_timeout_ms=int(settings.session_seconds * 1000),
            heartbeat_interval_ms=int(settings.heartbeat_seconds * 1000),
            rebalance_timeout_ms=int(settings.rebalance_seconds * 1000),
            max_poll_interval_ms=int(settings.poll_interval_seconds * 1000),
        )

    async def _start(self, stop: asyncio.Event) -> bool:
        """Waits for Kafka without bound: a worker without it still relays nothing, but lives."""
        backoff, failures = Backoff(first_seconds=0.2, most_seconds=5.0), 0
        while not stop.is_set():
            starting = asyncio.create_task(self.broker.start(), name="consumer-start")
            told = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                    return True
            except (KafkaError, OSError) as error:
                failures += 1
                log.warning("consumer.kafka_away", error=type(error).__name__, attempt=failures)
                await self._hang_up()
                await elapses(backoff.delay(failures), unless=stop)
            finally:
                starting.cancel()
                told.cancel()
        return False

    async def _hang_up(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.patience_seconds):
                await self.broker.stop()

    async def _fetch(self, stop: asyncio.Event) -> None:
        backoff, failures = Backoff(first_seconds=0.2, most_seconds=5.0), 0
        while not stop.is_set():
            consumer = self._consumer
            self._flow.apply(consumer)
            try:
                fetched: dict[TopicPartition, list[Any]] = await consumer.getmany(
                    timeout_ms=int(self._settings.fetch_seconds * 1000), max_records=self._settings.fetch
                )
            except (KafkaError, OSError) as error:
                failures += 1
                log.warning("consumer.fetch_failed", error=type(error).__name__, attempt=failures)
                await elapses(backoff.delay(failures), unless=stop)
                continue
            failures = 0
            self._take(fetched)

    def _take(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        """Without an await since Kafka's client checked whose the partitions are."""
        epoch, prefix = self._flow.epoch, len(self.kafka.installation)
        for tp, records in fetched.items():
            topic = tp.topic[prefix:]
            unwanted: list[int] = []
            for record in records:
                self._offsets.begin(tp, record.offset)
                message = read(record, self._by_type, tp=tp, topic=topic, epoch=epoch)
                if message is None:
                    unwanted.append(record.offset)
                else:
                    self._lanes[lane_of(message, len(self._lanes))].add(message)
            if unwanted:
                metrics.CONSUMED.labels(topic, "ignored").inc(len(unwanted))
                self._offsets.done(tp, unwanted)
                self._flow.progressed.set()

    async def _commit_what_is_done(self) -> None:
        while True:
            await self._flow.progressed.wait()
            self._flow.progressed.clear()
            await self._commit()
            await asyncio.sleep(self._settings.commit_seconds)

    async def _commit(self) -> None:
        try:
            async with asyncio.timeout(self._settings.patience_seconds):
                await self._commit_in_turn()
        except TimeoutError:
            log.warning("consumer.commit_late", seconds=self._settings.patience_seconds)
            self._flow.progressed.set()

    async def _commit_in_turn(self) -> None:
        async with self._committing:
            assigned = self._consumer.assignment()
            offsets = {tp: offset for tp, offset in self._offsets.to_commit().items() if tp in assigned}
            if not offsets:
                return
            try:
                await self._consumer.commit(offsets)
            except (CommitFailedError, IllegalStateError) as error:
                # The group gave the partitions to others; their inbox finds what is done already.
                log.info("consumer.commit_refused", error=type(error).__name__)
            except KafkaError as error:
                log.warning("consumer.commit_failed", error=type(error).__name__)
                self._flow.progressed.set()
            else:
                self._offsets.committed(offsets)

    async def _keep_figures(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.figures_seconds):
                    await self._refresh_progress()
            except (TimeoutError, KafkaError):
                log.debug("consumer.no_figures")
            await asyncio.sleep(self._settings.figures_seconds)

    async def _refresh_progress(self) -> None:
        consumer, now = self._consumer, time.monotonic()
        progress: dict[TopicPartition, PartitionProgress] = {}
        for tp in consumer.assignment():
            # Asking about a partition that was taken away meanwhile would be an error.
            highwater = consumer.highwater(tp) if tp in consumer.assignment() else None
            if highwater is None:
                continue
            position = self._offsets.first_pending(tp)
            if position is None:
                position = int(await consumer.position(tp))
            before = self._progress.get(tp)
            stands = before is not None and before.position == position and position < highwater
            moved_at = before.moved_at if before is not None and stands else now
            topic = tp.topic[len(self.kafka.installation) :]
            progress[tp] = PartitionProgress(topic, tp.partition, highwater, position, moved_at)
        self._progress = progress
        # Partitions that others have now are theirs to tell of.
        metrics.CONSUMER_LAG.clear()
        for held in progress.values():
            metrics.CONSUMER_LAG.labels(held.topic, held.partition).set(held.lag)
