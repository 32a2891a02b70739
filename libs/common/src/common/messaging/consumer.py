"""Events from Kafka to their handlers: at least once in, once in effect, in order for each key (ADR 0006)."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity

from common.messaging import kafka as names
from common.messaging.backoff import Backoff, elapses
from common.messaging.delivery import Delivery
from common.messaging.draining import Drainer
from common.messaging.handlers import Handlers
from common.messaging.header_names import tolerate_any_header_name
from common.messaging.intake import Intake, IntakeSettings
from common.messaging.progress import Figures, PartitionProgress
from common.postgres.engine import Database
from common.settings import KafkaSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ConsumerSettings:
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    session_seconds: float = 10.0
    heartbeat_seconds: float = 3.0
    rebalance_margin_seconds: float = 5.0
    poll_interval_seconds: float = 120.0
    drain_seconds: float = 5.0
    figures_seconds: float = 1.0

    @property
    def rebalance_seconds(self) -> float:
        """How long the group waits for a member: longer than the member waits for its lanes."""
        return self.intake.handover_seconds + self.rebalance_margin_seconds


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
        self.name = name
        self.delivery = Delivery(
            database, handlers, consumer=name, drain_after=timedelta(seconds=self._settings.drain_seconds)
        )
        self._intake = Intake(
            self.delivery, self._settings.intake, by_stem=handlers.payload_types, prefix=kafka.installation
        )
        self._figures = Figures(self._intake.offsets, prefix=kafka.installation)
        tolerate_any_header_name()
        self._drainer = Drainer(self.delivery, every_seconds=self._settings.drain_seconds)
        self.broker = KafkaBroker(
            kafka.bootstrap,
            security=BaseSecurity(ssl_context=names.ssl_context(kafka)),
            allow_auto_create_topics=False,
            # it would start a producer, and leave it open when told to stop before Kafka answered
            consumer_only=True,
            logger=None,
        )
        self._subscriber = self._subscribe()

    @property
    def progress(self) -> Sequence[PartitionProgress]:
        return self._figures.partitions

    @property
    def lag(self) -> int | None:
        """None until it is known: before the first assignment nobody can tell what waits."""
        return self._figures.lag

    @property
    def waits_for_database(self) -> bool:
        return self._intake.flow.waits_for_database > 0

    async def run(self, stop: asyncio.Event) -> None:
        """Ends when told to, with what is done committed and the group left, or with a part that crashes."""
        try:
            if not await self._start(stop):
                return
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(self._keep_figures()),
                    tasks.create_task(self._drainer.run(stop)),
                ]
                await self._intake.run(self._consumer, stop)
                for task in beside:
                    task.cancel()
        finally:
            await self._hang_up()
            self._figures.forget()

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
            listener=self._intake.handover,
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
            async with asyncio.timeout(self._settings.intake.patience_seconds):
                await self.broker.stop()

    async def _keep_figures(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.figures_seconds):
                    await self._figures.refresh(self._consumer)
            except (TimeoutError, KafkaError):
                log.debug("consumer.no_figures")
            await asyncio.sleep(self._settings.figures_seconds)
