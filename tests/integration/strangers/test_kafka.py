"""A service's certificate writes its own topics and reads what it listens to, and that is all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from common.contracts.topics import SERVICES, TOPICS
from common.ids import new_id
from common.messaging.kafka import connection
from tests.support.installation import Installation
from tests.support.tls import client_context

each_service = pytest.mark.parametrize("service", SERVICES)


def others(service: str) -> list[str]:
    return [other for other in SERVICES if other != service]


def own_connection(installation: Installation, service: str) -> dict[str, Any]:
    return connection(installation.kafka_settings(service))


@asynccontextmanager
async def producer(
    installation: Installation, service: str, **settings: Any
) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(**own_connection(installation, service), **settings)
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def consumer(
    installation: Installation, service: str, *topics: str, group: str | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    client = AIOKafkaConsumer(
        *topics,
        **own_connection(installation, service),
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


class TestCertificate:
    @each_service
    async def test_writes_its_own_topics_and_no_other(self, installation, streams, service):
        async with producer(installation, service) as client:
            for topic in TOPICS:
                if topic.service == service:
                    await client.send_and_wait(streams.name_of(topic), b"{}")
                else:
                    with pytest.raises(TopicAuthorizationFailedError):
                        await client.send_and_wait(streams.name_of(topic), b"{}")

        written = [topic for topic in TOPICS if await streams.consume_all(topic)]
        assert written == [topic for topic in TOPICS if topic.service == service]

    @each_service
    async def test_reads_what_it_listens_to_and_nothing_else(self, installation, streams, service):
        for topic in TOPICS:
            await streams.produce(topic, "key", {}, topic.name)

        heard = [topic for topic in TOPICS if await hears(installation, service, streams.name_of(topic))]

        assert heard == [topic for topic in TOPICS if service in topic.listeners]

    @each_service
    async def test_has_groups_of_its_own_only(self, installation, streams, group, service):
        place = TopicPartition(streams.name_of("auth.user.v1"), 0)

        for other in others(service):
            async with consumer(installation, service, group=group(other)) as client:
                with pytest.raises(GroupAuthorizationFailedError):
                    await client.committed(place)
        async with consumer(installation, service, group=group(service)) as client:
            await client.committed(place)

    @each_service
    async def test_has_transactional_ids_of_its_own_only(self, installation, streams, service):
        for other in others(service):
            name = f"{installation.resource_prefix(other)}relay-0"
            with pytest.raises(TransactionalIdAuthorizationFailed):
                async with producer(installation, service, transactional_id=name):
                    pass
        own = f"{installation.resource_prefix(service)}{new_id()}"
        async with producer(installation, service, transactional_id=own):
            pass

    @each_service
    async def test_makes_no_topic(self, installation, streams, service):
        admin = AIOKafkaAdminClient(**own_connection(installation, service))
        await admin.start()

        answer = await admin.create_topics([NewTopic(f"{installation.resource_prefix(service)}new.v1", 1, 1)])

        await admin.close()
        [(_, error_code, _)] = answer.topic_errors
        assert error_code == TopicAuthorizationFailedError.errno

    async def test_is_asked_for(self, installation):
        settings = own_connection(installation, "auth")
        admin = AIOKafkaAdminClient(**settings | {"ssl_context": client_context(installation.stack)})

        with pytest.raises(KafkaConnectionError):
            await admin.start()

        await admin.close()


async def hears(installation: Installation, service: str, topic: str) -> bool:
    try:
        async with consumer(installation, service, topic) as client, asyncio.timeout(5):
            return (await client.getone()).topic == topic
    except TopicAuthorizationFailedError:
        return False
