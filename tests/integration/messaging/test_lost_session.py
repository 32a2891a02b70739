"""A message for which the server ends the session is poison, too; a database that is away judges nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.ids import new_id
from common.messaging.backoff import Backoff
from common.messaging.delivery import Delivery
from common.messaging.draining import Drainer
from common.messaging.flow import Flow
from common.messaging.lanes import Lane, LaneSettings
from common.messaging.offsets import Offsets
from common.postgres.engine import Database, Transaction
from tests.integration.postgres.proxy import Proxy, proxy_to
from tests.support.installation import Installation
from tests.support.messaging import each, effect, running, versions
from tests.support.records import TP, message
from tests.support.waiting import eventually

QUICK_RETRY = Backoff(first_seconds=0.01, most_seconds=0.02)
SETTINGS = LaneSettings(attempts=3, retry=QUICK_RETRY, database=QUICK_RETRY)


class Poison:
    """A handler for which the server ends the session of one key."""

    def __init__(self, superuser: asyncpg.Connection, key: UUID) -> None:
        self.key = str(key)
        self.ended = 0
        self.harmless = False
        self._superuser = superuser
        self._in_turn = asyncio.Lock()

    async def __call__(self, tx: Transaction, event: Event[UserRegistered]) -> None:
        if event.key == self.key and not self.harmless:
            serving = (await tx.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
            async with self._in_turn:
                await self._superuser.execute("SELECT pg_terminate_backend($1)", serving)
            self.ended += 1
        await effect(tx, event)


@pytest.fixture
async def network(installation: Installation) -> AsyncIterator[Proxy]:
    async with proxy_to("127.0.0.1", installation.stack.ports["pgbouncer"]) as between:
        yield between


@pytest.fixture
async def distant(profile: Database, installation: Installation, network: Proxy) -> AsyncIterator[Database]:
    """The same database, behind the network."""
    port = installation.stack.ports["pgbouncer"]
    settings = installation.database_settings("profile", "worker")
    url = settings.url.get_secret_value().replace(f":{port}/", f":{network.port}/")
    moved = settings.model_copy(update={"url": SecretStr(url)})
    database = Database(moved, service="profile", application_name="profile-worker")
    yield database
    await database.close()


class TestAMessageForWhichTheSessionIsEnded:
    async def test_parks_its_key_after_a_few_attempts_and_drains_when_it_does_no_harm(
        self, profile: Database, superuser: asyncpg.Connection
    ):
        bad, good = new_id(), new_id()
        poison = Poison(superuser, bad)
        delivery = Delivery(profile, each(poison), consumer=f"test-{new_id()}", drain_after=timedelta())
        await deliver(delivery, message(1, key=good), message(2, key=bad), message(3, key=good, version=2))

        (key,) = await superuser.fetch("select key, kind from profile.parked_keys")
        assert (key["key"], key["kind"]) == (str(bad), "transient")
        assert poison.ended == 2 * SETTINGS.attempts
        assert await versions(superuser) == {str(good): [1, 2]}

        async with running(Drainer(delivery, every_seconds=0.05)):
            await eventually(lambda: poison.ended > 2 * SETTINGS.attempts)
            poison.harmless = True
            await eventually(lambda: is_open(superuser))

        assert (await versions(superuser))[str(bad)] == [1]


class TestADatabaseThatIsAway:
    async def test_parks_nothing_and_loses_nothing(
        self, distant: Database, network: Proxy, superuser: asyncpg.Connection
    ):
        key, calls = new_id(), []

        async def handler(tx: Transaction, event: Event[UserRegistered]) -> None:
            calls.append(event.id)
            if len(calls) == 1:
                network.cut()
            await effect(tx, event)

        delivery = Delivery(distant, each(handler), consumer=f"test-{new_id()}")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(deliver(delivery, message(1, key=key)))
            await eventually(lambda: network.refused > 5 * SETTINGS.attempts)
            network.away = False

        assert len(calls) == 2
        assert await versions(superuser) == {str(key): [1]}
        assert await is_open(superuser)


async def deliver(delivery: Delivery, *messages: Any) -> None:
    offsets = Offsets()
    lane = Lane(delivery, offsets, Flow(offsets, most_in_flight=100), SETTINGS)
    for one in messages:
        offsets.begin(one.tp, one.offset)
        lane.add(one)
    delivering = asyncio.create_task(lane.run())
    try:
        await eventually(lambda: offsets.in_flight(TP) == 0)
    finally:
        delivering.cancel()
        await asyncio.wait([delivering])


async def is_open(superuser: asyncpg.Connection) -> bool:
    return not await superuser.fetchval("select exists (select from profile.parked_keys)")
