"""Kafka that takes everything and answers nothing, as behind a broken network."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.conn import AIOKafkaConnection

from common.messaging.consumer import Consumer, ConsumerSettings
from common.messaging.intake import IntakeSettings
from common.postgres.engine import Database
from common.settings import KafkaSettings
from tests.integration.postgres.proxy import Proxy, proxy_to
from tests.support.factories import user_registered
from tests.support.messaging import each, versions
from tests.support.streams import Streams
from tests.support.waiting import eventually

SHORT = ConsumerSettings(intake=IntakeSettings(patience_seconds=0.5))


@pytest.fixture
async def network(
    kafka_settings: Callable[[str], KafkaSettings], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Proxy]:
    """Between every client of this process and the broker, whose own answers name its real port."""
    host, _, broker = kafka_settings("profile").bootstrap.partition(":")
    connect = AIOKafkaConnection.__init__
    before = asyncio.all_tasks()
    async with proxy_to(host, int(broker)) as proxy:

        def around(self: AIOKafkaConnection, host: str, port: int, **rest: object) -> None:
            connect(self, host, proxy.port if port == int(broker) else port, **rest)

        monkeypatch.setattr(AIOKafkaConnection, "__init__", around)
        yield proxy
    # Kafka's client leaves tasks behind when it is given up: they would keep it alive to the end of the run.
    left = [
        task for task in asyncio.all_tasks() - before if "aiokafka" in task.get_coro().cr_code.co_filename
    ]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    gc.collect()


@pytest.fixture
def consumer(profile: Database, kafka_settings: Callable[[str], KafkaSettings], network: Proxy) -> Consumer:
    return Consumer(profile, kafka_settings("profile"), each(), name=f"test-{uuid4().hex}", settings=SHORT)


async def handled(superuser: asyncpg.Connection, number: int) -> bool:
    return len(await versions(superuser)) >= number


# what Kafka's client leaves open when it is given up complains as soon as it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestAConsumer:
    async def test_that_has_not_been_answered_yet_stops_at_once(self, consumer: Consumer, network: Proxy):
        network.silent = True
        stop = asyncio.Event()
        running = asyncio.create_task(consumer.run(stop))
        await eventually(lambda: network.accepted > 0)

        stop.set()

        async with asyncio.timeout(5):
            await running

    async def test_that_is_answered_no_more_stops_soon(
        self, consumer: Consumer, network: Proxy, streams: Streams, superuser: asyncpg.Connection
    ):
        stop = asyncio.Event()
        running = asyncio.create_task(consumer.run(stop))
        await streams.send(user_registered())
        await eventually(lambda: handled(superuser, 1))

        network.silent = True
        stop.set()

        async with asyncio.timeout(5):
            await running
