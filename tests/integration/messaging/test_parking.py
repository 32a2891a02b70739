"""What is kept of a message that stopped, and two transactions that meet at a parked key."""

import asyncio
import json
from dataclasses import replace
from importlib.metadata import version
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa

from common.ids import new_id
from common.messaging.delivery import Delivery
from common.messaging.failures import Failure, FailureKind
from common.messaging.parking import unpack_headers
from common.postgres.context import Context
from common.postgres.engine import Database
from tests.support.messaging import each, versions
from tests.support.records import TP, message, message_of, record
from tests.support.waiting import eventually

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
POISON = Failure(FailureKind.PERMANENT, "KeyError", "raised somewhere")


@pytest.fixture
def delivery(profile: Database) -> Delivery:
    return Delivery(profile, each(), consumer=f"test-{new_id()}")


@pytest.fixture
def key() -> UUID:
    return new_id()


async def waits_for_a_lock(superuser: asyncpg.Connection) -> bool:
    return await superuser.fetchval(
        "select exists (select from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock')"
    )


async def waiting_versions(superuser: asyncpg.Connection) -> list[int]:
    rows = await superuser.fetch("select record_offset from profile.parked_messages order by record_offset")
    return [row["record_offset"] for row in rows]


class TestADeadLetter:
    async def test_keeps_all_that_is_known_of_the_message_and_of_its_failure(
        self, delivery: Delivery, key: UUID, superuser: asyncpg.Connection
    ):
        parked = message(7, key=key, trace={"traceparent": TRACE})
        await delivery.park(parked, POISON, attempts=3)

        row = await superuser.fetchrow("select * from profile.parked_messages")
        headers, unreadable_key = unpack_headers(json.loads(row["headers"]))

        kept = (row["topic"], row["partition"], row["record_offset"], row["key"], row["payload"])
        assert kept == (TP.topic, 0, 7, str(key), parked.record.value)
        assert (headers, unreadable_key) == (list(parked.record.headers), None)
        assert (row["kind"], row["error_class"], row["error_detail"], row["attempts"]) == (
            *("permanent", "KeyError", "raised somewhere"),
            3,
        )
        assert (row["event_id"], row["event_type"], row["user_id"]) == (
            parked.event_id,
            "user.registered",
            key,
        )
        assert row["trace"] == TRACE
        assert json.loads(row["versions"]) == {
            "common": version("quartet-common"),
            "schema": "urn:quartet:schema:user.registered.v1",
        }

    async def test_names_its_user_and_its_trace_although_its_payload_cannot_be_read(
        self, delivery: Delivery, key: UUID, superuser: asyncpg.Connection
    ):
        told = replace(record(7, key=key, trace={"traceparent": TRACE}), value=b"{")
        await delivery.park(message_of(told), POISON, attempts=1)

        row = await superuser.fetchrow("select * from profile.parked_messages")

        assert (row["user_id"], row["trace"]) == (key, TRACE)

    async def test_is_kept_although_nothing_of_its_headers_can_be_read(
        self, delivery: Delivery, superuser: asyncpg.Connection
    ):
        broken = [("ce_userid", b"nobody"), ("traceparent", b"\xff"), ("ce_type", None)]
        await delivery.park(message_of(record(7, headers=broken)), POISON, attempts=1)

        row = await superuser.fetchrow("select * from profile.parked_messages")

        assert (row["user_id"], row["trace"], row["event_type"]) == (None, None, None)

    async def test_is_kept_beside_one_that_stood_at_its_place_on_a_cluster_that_was_lost(
        self, delivery: Delivery, key: UUID, superuser: asyncpg.Connection
    ):
        first, second = message(7, key=key, version=1), message(7, key=key, version=2)

        await delivery.park(first, POISON, attempts=1)
        await delivery.park(second, POISON, attempts=1)

        assert await waiting_versions(superuser) == [7, 7]


class TestAMessageThatParksItsKey:
    async def test_stops_the_key_anew_when_a_replay_opens_it_in_the_same_moment(
        self, delivery: Delivery, profile: Database, key: UUID, superuser: asyncpg.Connection
    ):
        await delivery.park(message(1, key=key, version=1), POISON, attempts=1)

        async with profile.transaction(as_user=Context.SYSTEM) as replaying:
            await replaying.execute(sa.text("SELECT FROM parked_keys FOR UPDATE"))
            parking = asyncio.create_task(delivery.park(message(2, key=key, version=2), POISON, attempts=1))
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
        first, second = message(1, key=key, version=1), message(2, key=key, version=2)

        async with profile.transaction(as_user=Context.SYSTEM) as other:
            await delivery.park_in(other, first, POISON, attempts=1)
            delivering = asyncio.create_task(delivery.together([first, second]))
            await eventually(lambda: waits_for_a_lock(superuser))
        await delivering

        assert await waiting_versions(superuser) == [1, 2]
        assert await versions(superuser) == {}
