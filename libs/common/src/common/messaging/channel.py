"""The relay's end of Kafka: a transactional producer that is replaced whenever its state is in doubt."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from common.messaging import kafka as names
from common.settings import KafkaSettings

_BATCH_BYTES = 524_288
"""Of one partition's request; Kafka refuses batches above 1 MiB, and one event may be as large as this."""

log = structlog.get_logger(__name__)
_partition_of = DefaultPartitioner()


@dataclass(frozen=True, slots=True)
class Outgoing:
    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class ChannelError(Exception):
    """Kafka did not take the batch, or did not say so: it is sent again by a new producer."""


class Channel:
    """Opening it fences every older producer of the same transactional id."""

    def __init__(self, kafka: KafkaSettings, *, transactional_id: str, patience_seconds: float) -> None:
        self._kafka = kafka
        self._transactional_id = transactional_id
        self._patience_seconds = patience_seconds
        self._producer: AIOKafkaProducer | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        if self._producer is not None:
            return
        producer = self._new_producer()
        try:
            async with asyncio.timeout(self._patience_seconds):
                await producer.start()
        except BaseException as error:
            self._stop(producer)
            if isinstance(error, Exception):
                raise ChannelError(f"no producer: {type(error).__name__}") from error
            raise
        self._producer = producer

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **names.connection(self._kafka),
            transactional_id=self._transactional_id,
            transaction_timeout_ms=int(self._patience_seconds * 2000),
            request_timeout_ms=int(self._patience_seconds * 1000),
            max_batch_size=_BATCH_BYTES,
        )

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """All in one Kafka transaction, in this order for each key; returns when Kafka has committed it."""
        producer = self._producer
        if producer is None:
            raise ChannelError("the channel is not open")
        try:
            async with asyncio.timeout(self._patience_seconds):
                await producer.begin_transaction()
                await _ship(producer, messages)
                await producer.commit_transaction()
        except BaseException as error:
            self.discard()
            if isinstance(error, Exception):
                raise ChannelError(type(error).__name__) from error
            raise

    def discard(self) -> None:
        """The next `open` makes a new producer, whose start ends whatever transaction this one left."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._stop(producer)

    async def close(self) -> None:
        self.discard()
        if self._stopping:
            _, late = await asyncio.wait(self._stopping, timeout=2.0)
            for task in late:
                task.cancel()

    def _stop(self, producer: AIOKafkaProducer) -> None:
        # In the background: with Kafka away a producer waits for its requests to expire.
        task = asyncio.create_task(_stop_quietly(producer))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


async def _stop_quietly(producer: AIOKafkaProducer) -> None:
    with suppress(Exception):
        await producer.stop()


async def _ship(producer: AIOKafkaProducer, messages: Sequence[Outgoing]) -> None:
    """Whole batches instead of single sends: one future for each batch, not for each event."""
    partitions: dict[str, list[int]] = {}
    batches: dict[tuple[str, int], list[Any]] = {}
    places: dict[tuple[str, bytes], tuple[str, int]] = {}
    for message in messages:
        topic = message.topic
        place = places.get((topic, message.key))
        if place is None:
            # Kafka's hash of a key is written in Python: once for each key, not for each of its events.
            if topic not in partitions:
                partitions[topic] = sorted(await producer.partitions_for(topic))
            numbers = partitions[topic]
            place = (topic, cast("int", _partition_of(message.key, numbers, numbers)))
            places[topic, message.key] = place
        open_batches = batches.setdefault(place, [])
        if not open_batches or not _fits(open_batches[-1], message):
            open_batches.append(producer.create_batch())
            _fits(open_batches[-1], message)
    acks: list[Coroutine[Any, Any, None]] = [
        _ship_partition(producer, topic, partition, queued) for (topic, partition), queued in batches.items()
    ]
    outcomes = await asyncio.gather(*acks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _fits(batch: Any, message: Outgoing) -> bool:
    added = batch.append(timestamp=None, key=message.key, value=message.value, headers=message.headers)
    return added is not None


async def _ship_partition(producer: AIOKafkaProducer, topic: str, partition: int, batches: list[Any]) -> None:
    sent = [await producer.send_batch(batch, topic, partition=partition) for batch in batches]
    outcomes = await asyncio.gather(*sent, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
