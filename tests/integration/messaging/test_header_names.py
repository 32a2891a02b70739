"""Records as another language's client may write them: names of headers are any bytes to Kafka."""

import json
from collections.abc import Callable
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.contracts.topics import USERS
from common.messaging.consumer import Consumer
from common.messaging.headers import encode
from common.messaging.parking import unpack_headers
from common.postgres.engine import Database
from common.settings import KafkaSettings
from tests.support.factories import user_registered
from tests.support.messaging import each, running, versions
from tests.support.streams import Streams
from tests.support.waiting import eventually


class NoText(str):
    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def batch(events: list[Event[UserRegistered]], *, strange: Event[UserRegistered], value: bytes) -> bytes:
    """All in one batch, as the client reads them: what stands behind the strange one is not to be lost."""
    builder = _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    for number, event in enumerate(events):
        headers = [(name, text.encode()) for name, text in encode(event, trace={}).items()]
        payload = event.data.model_dump_json().encode()
        if event is strange:
            headers, payload = [*headers, (NoText(), b"odd")], value
        builder.append(number, None, event.key.encode(), payload, headers)
    return bytes(builder.build())


@pytest.fixture
def consumer(profile: Database, kafka_settings: Callable[[str], KafkaSettings]) -> Consumer:
    return Consumer(profile, kafka_settings("profile"), each(), name=f"test-{uuid4().hex}")


class TestANameThatIsNoText:
    async def test_keeps_nobody_from_being_handled(
        self, consumer: Consumer, streams: Streams, superuser: asyncpg.Connection
    ):
        events = [user_registered() for _ in range(3)]
        payload = events[1].data.model_dump_json().encode()
        await streams.produce_raw(USERS, batch(events, strange=events[1], value=payload), records=3)

        async with running(consumer):
            await eventually(lambda: _handled(superuser, events))

    async def test_is_kept_with_a_message_that_cannot_be_handled(
        self, consumer: Consumer, streams: Streams, superuser: asyncpg.Connection
    ):
        events = [user_registered() for _ in range(3)]
        await streams.produce_raw(USERS, batch(events, strange=events[1], value=b"{"), records=3)

        async with running(consumer):
            await eventually(lambda: _handled(superuser, [events[0], events[2]]))
            row = await eventually(
                lambda: superuser.fetchrow("select key, headers from profile.parked_messages")
            )

        headers, _ = unpack_headers(json.loads(row["headers"]))
        assert row["key"] == events[1].key
        assert headers[-1] == ("\udcff\udcfe", b"odd")


async def _handled(superuser: asyncpg.Connection, events: list[Event[UserRegistered]]) -> bool:
    return await versions(superuser) == {event.key: [1] for event in events}
