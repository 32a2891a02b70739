"""Kafka as the operator sees it: this worker's topics, what is put on them and what stands on them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import RecordMetadata

from common.contracts.envelope import Event, Payload
from common.contracts.topics import TOPICS, Topic
from common.messaging.headers import encode
from common.settings import KafkaSettings
from quartet_cli.topics import LOCAL_PARTITIONS as PARTITIONS
from quartet_cli.topics import apply_topics
from tests.support.installation import Installation
from tests.support.tls import client_context

SUPERUSER = "operator"

Record = ConsumerRecord
Headers = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes | None]]


class Streams:
    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.connection: dict[str, Any] = {
            "bootstrap_servers": installation.kafka_settings("auth").bootstrap,
            "security_protocol": "SSL",
            "ssl_context": client_context(installation.stack, SUPERUSER),
        }
        self._producer = AIOKafkaProducer(**self.connection)
        self._admin = AIOKafkaAdminClient(**self.connection)

    async def open(self) -> None:
        await asyncio.gather(self._producer.start(), self._admin.start())

    async def close(self) -> None:
        await asyncio.gather(self._producer.stop(), self._admin.close())

    def name_of(self, topic: Topic | str) -> str:
        name = topic.name if isinstance(topic, Topic) else topic
        return f"{self._installation.kafka_prefix}{name}"

    async def produce(
        self,
        topic: Topic | str,
        key: str | bytes | None,
        headers: Headers,
        value: str | bytes | None,
        *,
        partition: int | None = None,
    ) -> RecordMetadata:
        """Puts one record on a topic, past the outbox; anything goes, so that bad records can be sent too."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        return await self._producer.send_and_wait(
            self.name_of(topic),
            key=_bytes(key),
            headers=[(name, _bytes(content)) for name, content in pairs],
            value=_bytes(value),
            partition=partition,
        )

    async def produce_raw(self, topic: Topic | str, batch: bytes, *, records: int) -> None:
        """A batch as bytes, because no client's producer writes what it would not read."""
        builder = self._producer.create_batch()
        builder._buffer, builder._relative_offset, builder._closed = batch, records, True
        await (await self._producer.send_batch(builder, self.name_of(topic), partition=0))

    async def send(self, event: Event[Payload], *, trace: Mapping[str, str] | None = None) -> RecordMetadata:
        """Puts an event on its topic as the relay would."""
        headers = encode(event, trace=trace or {})
        return await self.produce(event.data.topic, event.key, headers, event.data.model_dump_json())

    async def consume_all(self, topic: Topic | str) -> list[Record]:
        """What stands on a topic and is committed, partition by partition, in order."""
        consumer = AIOKafkaConsumer(
            **self.connection,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            # an empty partition would hold up the answer about the others
            fetch_max_wait_ms=10,
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(self.name_of(topic), number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            return await _read_to_end(consumer, partitions)
        finally:
            await consumer.stop()

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """The offsets that a group has committed, by partition."""
        offsets = await self._admin.list_consumer_group_offsets(group)
        return {partition: found.offset for partition, found in offsets.items() if found.offset >= 0}

    async def empty(self) -> None:
        """Deletes every record, so that a group that begins at the beginning sees this test's alone."""
        everything = {
            TopicPartition(self.name_of(topic), number): RecordsToDelete(before_offset=-1)
            for topic in TOPICS
            for number in range(PARTITIONS)
        }
        await self._admin.delete_records(everything)


async def _read_to_end(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> list[Record]:
    ends = await consumer.end_offsets(partitions)
    found: dict[TopicPartition, list[Record]] = defaultdict(list)
    async with asyncio.timeout(10):
        while True:
            positions = {partition: await consumer.position(partition) for partition in partitions}
            if all(positions[partition] >= ends[partition] for partition in partitions):
                return [record for partition in partitions for record in found[partition]]
            for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                found[partition] += records


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


@pytest.fixture(scope="session")
async def open_streams(installation: Installation) -> AsyncIterator[Streams]:
    await asyncio.to_thread(apply_topics, installation.stack, installation.worker)
    streams = Streams(installation)
    await streams.open()
    yield streams
    await streams.close()


@pytest.fixture
async def streams(open_streams: Streams) -> Streams:
    """This worker's topics, empty."""
    await open_streams.empty()
    return open_streams


@pytest.fixture
def kafka_settings(installation: Installation, streams: Streams) -> Callable[[str], KafkaSettings]:
    """What a service's worker is told about Kafka: its own certificate, this worker's prefix."""
    return installation.kafka_settings


@pytest.fixture
def group(installation: Installation) -> Callable[[str], str]:
    """A consumer group of that service that nobody else ever used."""
    return lambda service: f"{installation.resource_prefix(service)}{uuid4().hex}"
