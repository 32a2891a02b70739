from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from common.contracts.topics import USERS
from common.ids import new_id
from common.messaging.channel import Channel, ChannelError, Outgoing
from common.messaging.kafka import own_name
from common.messaging.lease import Lease
from common.postgres.engine import Database
from common.settings import KafkaSettings
from tests.support.streams import Streams
from tests.support.waiting import eventually


@pytest.fixture
def kafka(kafka_settings: Callable[[str], KafkaSettings]) -> KafkaSettings:
    return kafka_settings("auth")


class TestChannel:
    async def test_an_older_leader_can_no_longer_send(self, kafka: KafkaSettings, streams: Streams):
        older, newer = (
            Channel(kafka, transactional_id=own_name(kafka, "auth", "relay-0"), patience_seconds=8.0)
            for _ in range(2)
        )
        topic = streams.name_of(USERS)

        async with closing(older, newer):
            await older.open()
            await older.send([Outgoing(topic, b"key", b"first", [])])
            await newer.open()
            with pytest.raises(ChannelError):
                await older.send([Outgoing(topic, b"key", b"stale", [])])
            await newer.send([Outgoing(topic, b"key", b"second", [])])

        assert [message.value for message in await streams.consume_all(USERS)] == [b"first", b"second"]


@asynccontextmanager
async def closing(*channels: Channel) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for channel in channels:
            await channel.close()


class TestLease:
    async def test_has_one_holder_at_a_time(self, auth: Database):
        first, second = (Lease(auth, holder=new_id(), seconds=0.3) for _ in range(2))

        assert await first.take()
        assert not await second.take()
        assert await eventually(second.take)
        assert not await first.take()
        assert not first.held

    async def test_is_free_as_soon_as_it_is_given_up(self, auth: Database):
        first, second = (Lease(auth, holder=new_id(), seconds=60.0) for _ in range(2))

        assert await first.take()
        await first.give_up()

        assert not first.held
        assert await second.take()

    async def test_is_held_no_longer_than_granted_by_the_holders_own_clock(self, auth: Database):
        now = 100.0
        lease = Lease(auth, holder=new_id(), seconds=5.0, now=lambda: now)

        await lease.take()
        assert lease.held
        now = 105.0

        assert not lease.held
