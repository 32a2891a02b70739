"""Two transactions that meet at a parked key: a worker's and a replay's, or those of two workers."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from aiokafka import TopicPartition

from common.contracts.catalogue import BY_TYPE
from common.ids import new_id
from common.messaging.delivery import Delivery
from common.messaging.failures import Failure, FailureKind
from common.messaging.headers import encode
from common.messaging.messages import Message, read
from common.messaging.replay import StoredRecord
from common.postgres.context import Context
from common.postgres.engine import Database
from tests.support.factories import user_registered
from tests.support.messaging import each, versions
from tests.support.waiting import eventually

TP = TopicPartition("auth.user.v1", 0)
POISON = Failure(FailureKind.PERMANENT, "KeyError", "raised somewhere")


@pytest.fixture
def delivery(profile: Database) -> Delivery:
    return Delivery(profile, each(), consumer=f"test-{new_id()}")


@pytest.fixture
def key() -> UUID:
    return new_id()


def message(key: UUID, version: int) -> Message:
    event = user_registered(key, version=version)
    headers = [(name, value.encode()) for name, value in encode(event, trace={}).items()]
    value = event.data.model_dump_json().encode()
    stored = StoredRecord(TP.topic, TP.partition, version, 0, event.key.encode(), value, headers)
    made = read(stored, BY_TYPE, tp=TP, topic=TP.topic, epoch=0)
    assert made is not None
    return made


async def waits_for_a_lock(superuser: asyncpg.Connection) -> bool:
    return await superuser.fetchval(
        "select exists (select from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock')"
    )


async def waiting_versions(superuser: asyncpg.Connection) -> list[int]:
    rows = await superuser.fetch("select record_offset from profile.parked_messages order by record_offset")
    return [row["record_offset"] for row in rows]


class TestAMessageThatParksItsKey:
    async def test_stops_the_key_anew_when_a_replay_opens_it_in_the_same_moment(
        self, delivery: Delivery, profile: Database, key: UUID, superuser: asyncpg.Connection
    ):
        await delivery.park(message(key, 1), POISON, attempts=1)

        async with profile.transaction(as_user=Context.SYSTEM) as replaying:
            await replaying.execute(sa.text("SELECT FROM parked_keys FOR UPDATE"))
            parking = asyncio.create_task(delivery.park(message(key, 2), POISON, attempts=1))
            await eventually(lambda: waits_for_a_lock(superuser))
            await replaying.execute(sa.text("DELETE FROM parked_messages"))
            await replaying.execute(sa.text("DELETE FROM parked_keys"))
        await parking

        assert await waiting_versions(superuser) == [2]
        assert await superuser.fetchval("select count(*) from profile.parked_keys") == 1


class TestAWorkerThatWaitedForAnother:
    async def test_finds_the_key_that_the_other_parked_meanwhile(
        self, delivery: Delivery, profile: Database, key: UUID, superuser: asyncpg.Connection
    ):
        first, second = message(key, 1), message(key, 2)

        async with profile.transaction(as_user=Context.SYSTEM) as other:
            await delivery.park_in(other, first, POISON, attempts=1)
            delivering = asyncio.create_task(delivery.together([first, second]))
            await eventually(lambda: waits_for_a_lock(superuser))
        await delivering

        assert await waiting_versions(superuser) == [1, 2]
        assert await versions(superuser) == {}
