"""A lane delivers its keys' messages in order; lanes run beside each other (ADR 0006)."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from common.messaging.backoff import Backoff, elapses
from common.messaging.delivery import Delivery
from common.messaging.failures import Failure, FailureKind, database_is_away
from common.messaging.flow import Flow
from common.messaging.messages import Message
from common.messaging.metrics import CONSUMER_RETRIES
from common.messaging.offsets import Offsets

log = structlog.get_logger(__name__)


_PATIENCE = Backoff(first_seconds=0.2, most_seconds=5.0)


@dataclass(frozen=True)
class LaneSettings:
    batch: int = 500
    """Messages of one transaction; a set-based handler may record an event for each."""
    attempts: int = 5
    """Of a message that fails with something that should pass by itself; then its key is parked."""
    retry: Backoff = _PATIENCE
    database: Backoff = _PATIENCE


class Lane:
    def __init__(self, delivery: Delivery, offsets: Offsets, flow: Flow, settings: LaneSettings) -> None:
        self._delivery = delivery
        self._offsets = offsets
        self._flow = flow
        self._settings = settings
        self._waiting: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    def add(self, message: Message) -> None:
        self._waiting.append(message)
        self._arrived.set()

    def drop_waiting(self) -> None:
        """What was not begun belongs to whoever is given the partition next."""
        self._waiting.clear()

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch = [
                    self._waiting.popleft() for _ in range(min(len(self._waiting), self._settings.batch))
                ]
                # stable, so a key's messages stay in order; the same order of keys in every worker
                batch.sort(key=lambda message: message.sort_key)
                self.idle.clear()
                try:
                    await self._deliver(batch)
                finally:
                    self.idle.set()

    async def _deliver(self, batch: list[Message]) -> None:
        """Hopes for the best: all in one transaction. One message a transaction finds the one that fails."""
        tries = 0
        while batch := [message for message in batch if self._flow.may_begin(message)]:
            try:
                await self._delivery.together(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, each message is tried alone
                if database_is_away(error):
                    tries += 1
                    await self._wait_for_database(error, tries)
                    continue
                for message in batch:
                    await self._deliver_alone(message)
                return
            self._done(batch)
            return

    async def _deliver_alone(self, message: Message) -> None:
        attempts, tries = 0, 0
        while self._flow.may_begin(message):
            try:
                await self._delivery.together([message])
            except Exception as error:  # noqa: BLE001 - whatever it is, the key stops and the lane goes on
                if database_is_away(error):
                    tries += 1
                    await self._wait_for_database(error, tries)
                    continue
                attempts += 1
                failure = Failure.of(error)
                if failure.kind is FailureKind.TRANSIENT and attempts < self._settings.attempts:
                    await self._wait_to_retry(message, failure, attempts)
                    continue
                if not await self._park(message, failure, attempts):
                    return
            self._done([message])
            return

    async def _park(self, message: Message, failure: Failure, attempts: int) -> bool:
        """False when the partition was given away before the database answered."""
        tries = 0
        while self._flow.may_begin(message):
            try:
                await self._delivery.park(message, failure, attempts=attempts)
            except Exception as error:
                if Failure.of(error).kind is not FailureKind.TRANSIENT and not database_is_away(error):
                    raise
                tries += 1
                await self._wait_for_database(error, tries)
                continue
            log.warning(
                "consumer.parked",
                topic=message.topic,
                partition=message.tp.partition,
                offset=message.offset,
                kind=failure.kind.value,
                error=failure.error_class,
                attempts=attempts,
            )
            return True
        return False

    async def _wait_for_database(self, error: BaseException, tries: int) -> None:
        CONSUMER_RETRIES.labels("database").inc()
        if tries == 1:
            log.warning("consumer.database_away", error=str(error))
        self._flow.waits_for_database += 1
        try:
            await elapses(self._settings.database.delay(tries), unless=self._flow.leaving)
        finally:
            self._flow.waits_for_database -= 1

    async def _wait_to_retry(self, message: Message, failure: Failure, attempts: int) -> None:
        """Nothing more is fetched of the partition meanwhile; the group still hears from this worker."""
        CONSUMER_RETRIES.labels("transient").inc()
        log.info("consumer.retries", topic=message.topic, error=failure.detail, attempt=attempts)
        self._flow.hold(message.tp)
        try:
            await elapses(self._settings.retry.delay(attempts), unless=self._flow.leaving)
        finally:
            self._flow.let_go(message.tp)

    def _done(self, batch: Iterable[Message]) -> None:
        by_partition: dict[object, tuple[Message, list[int]]] = {}
        for message in batch:
            if self._flow.is_current(message):
                by_partition.setdefault(message.tp, (message, []))[1].append(message.offset)
        for first, offsets in by_partition.values():
            self._offsets.done(first.tp, offsets)
        self._flow.progressed.set()
