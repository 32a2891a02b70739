"""A lane delivers its keys' messages in order; lanes run beside each other (ADR 0006)."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from common.messaging.backoff import Backoff, Chance, elapses
from common.messaging.course import Ask, Cause, Course, Deliver, Park, Patience, Pause
from common.messaging.delivery import Delivery
from common.messaging.failures import Failure
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
    retry: Backoff = _PATIENCE
    database: Backoff = _PATIENCE

    @property
    def patience(self) -> Patience:
        return Patience(self.attempts, self.retry, self.database)


class Lane:
    def __init__(
        self,
        delivery: Delivery,
        offsets: Offsets,
        flow: Flow,
        settings: LaneSettings,
        *,
        chance: Chance = random.random,
    ) -> None:
        self._delivery = delivery
        self._offsets = offsets
        self._flow = flow
        self._settings = settings
        self._chance = chance
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

    async def _deliver(self, batch: Sequence[Message]) -> None:
        course = Course(batch, self._settings.patience, self._chance)
        while act := course.next(self._flow.may_begin):
            try:
                await self._carry_out(act)
            except Exception as error:  # noqa: BLE001 - whatever it is, the course knows what follows
                pause = course.failed(error)
                if pause is not None:
                    await self._wait(pause, act, error)
            else:
                if isinstance(act, Ask):
                    course.answered()
                else:
                    self._done(course.succeeded())

    async def _carry_out(self, act: Deliver | Park | Ask) -> None:
        if isinstance(act, Ask):
            await self._delivery.ask()
            return
        if isinstance(act, Deliver):
            await self._delivery.together(act.messages)
            return
        message = act.message
        await self._delivery.park(message, act.failure, attempts=act.attempts)
        log.warning(
            "consumer.parked",
            topic=message.topic,
            partition=message.tp.partition,
            offset=message.offset,
            kind=act.failure.kind.value,
            error=act.failure.error_class,
            attempts=act.attempts,
            trace_id=message.trace_id,
        )

    async def _wait(self, pause: Pause, act: Deliver | Park | Ask, error: Exception) -> None:
        if pause.cause is Cause.DATABASE:
            await self._wait_for_database(pause, error)
        elif isinstance(act, Deliver):
            await self._wait_to_retry(pause, act.messages[0], error)

    async def _wait_for_database(self, pause: Pause, error: Exception) -> None:
        CONSUMER_RETRIES.labels("database").inc()
        if pause.count == 1:
            log.warning("consumer.database_away", error=str(error))
        self._flow.waits_for_database += 1
        try:
            await elapses(pause.seconds, unless=self._flow.leaving)
        finally:
            self._flow.waits_for_database -= 1

    async def _wait_to_retry(self, pause: Pause, message: Message, error: Exception) -> None:
        """Nothing more is fetched of the partition meanwhile; the group still hears from this worker."""
        CONSUMER_RETRIES.labels("transient").inc()
        log.info(
            "consumer.retries",
            topic=message.topic,
            error=Failure.of(error).detail,
            attempt=pause.count,
            trace_id=message.trace_id,
        )
        self._flow.hold(message.tp)
        try:
            await elapses(pause.seconds, unless=self._flow.leaving)
        finally:
            self._flow.let_go(message.tp)

    def _done(self, batch: Sequence[Message]) -> None:
        by_partition: dict[object, tuple[Message, list[int]]] = {}
        for message in batch:
            if self._flow.is_current(message):
                by_partition.setdefault(message.tp, (message, []))[1].append(message.offset)
        for first, offsets in by_partition.values():
            self._offsets.done(first.tp, offsets)
        self._flow.progressed.set()
