"""Two workers of auth and two of profile: one relays, both consume, whatever happens to either of them."""

import asyncio
import signal
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from common.contracts.topics import PROFILES, USERS
from common.postgres.engine import Database
from quartet_cli.stack import Stack
from quartet_cli.supervisor.processes import Identity
from tests.support.accounting import accounts, first_times, incomplete, parked, tellings, unheard, waiting
from tests.support.instances import Instance, beside, metric
from tests.support.parts import Parts
from tests.support.traffic import Chronicle, Registrations
from tests.support.waiting import eventually, throughout

pytestmark = pytest.mark.usefixtures("everything_is_well")

TAKEN_OVER_SECONDS = 60.0
"""A lease of 6 s and a session of 10 s run out; a lock that a paused relay holds is freed after 20 s."""


@dataclass(frozen=True)
class Worker:
    identity: Identity
    probe_url: str

    async def leads(self) -> bool:
        return await metric(self.probe_url, "quartet_relay_leading") == 1

    async def handled(self) -> bool:
        return bool(
            await metric(self.probe_url, "quartet_consumed_total", topic=USERS.name, result="handled")
        )


class Pairs:
    """The stack's own worker of a service and one beside it, which is started anew when a test killed it."""

    def __init__(self, stack: Stack, parts: Parts) -> None:
        self._stack = stack
        self._parts = parts
        self._opened = AsyncExitStack()
        self._second: dict[str, Instance] = {}

    async def of(self, service: str) -> tuple[Worker, Worker]:
        second = self._second.get(service)
        if second is None or second.process.returncode is not None:
            second = await self._opened.enter_async_context(beside(self._stack, service, "worker"))
            self._second[service] = second
        await second.ready()
        name = f"{service}-worker"
        own, other = self._parts.running()[name], Identity.of(second.process.pid)
        assert other is not None
        return Worker(own, self._parts.probe_url(name)), Worker(other, second.probe_url)

    async def close(self) -> None:
        await self._opened.aclose()


@pytest.fixture(scope="module")
async def pairs(stack, parts):
    pairs = Pairs(stack, parts)
    yield pairs
    await pairs.close()


@pytest.fixture
async def chronicle(whole):
    settings = whole.database_settings("auth", "api").model_copy(update={"pool_size": 2})
    database = Database(settings, service="auth", application_name="chronicle")
    yield Chronicle(database)
    await database.close()


@contextmanager
def hit(blow: signal.Signals, *workers: Worker) -> Generator[None]:
    """Whoever only stood still goes on at the end, with all that it believed before."""
    for worker in workers:
        worker.identity.send(blow)
    try:
        yield
    finally:
        for worker in workers:
            worker.identity.send(signal.SIGCONT)


async def holder(operator: asyncpg.Connection) -> UUID | None:
    """Whose relay auth's outbox is at this moment."""
    return await operator.fetchval("select holder from auth.relay_lease where until > now()")


async def leader_of(pair: tuple[Worker, Worker]) -> Worker:
    leaders = [worker for worker in pair if await worker.leads()]
    assert len(leaders) == 1, leaders
    return leaders[0]


async def both_handle(pair: tuple[Worker, Worker]) -> bool:
    return all([await worker.handled() for worker in pair])


async def all_heard(operator: asyncpg.Connection, chronicle: Chronicle) -> None:
    """Every listener gets to hear of what was written until now."""
    events = [event for versions in chronicle.told.values() for event in versions.values()]

    async def heard() -> bool:
        left = await unheard(operator, events)
        assert left == {}, left
        return True

    await eventually(heard, within=TAKEN_OVER_SECONDS, every=0.3)


async def all_done(operator: asyncpg.Connection, load: Registrations) -> bool:
    left = (await incomplete(operator, load.prefix), await waiting(operator))
    assert left == ({}, {}), left
    return True


class TestTwoOfEach:
    @pytest.mark.parametrize(
        "blow",
        [
            pytest.param(signal.SIGTERM, id="leaves"),
            pytest.param(signal.SIGSTOP, id="stands-still-and-goes-on"),
            pytest.param(signal.SIGKILL, id="dies"),
        ],
    )
    async def test_go_on_in_order_and_once_when_one(
        self, blow, pairs, chronicle, stack, parts, operator, topics
    ):
        relays, consumers = await asyncio.gather(pairs.of("auth"), pairs.of("profile"))
        leader = await eventually(lambda: leader_of(relays), within=TAKEN_OVER_SECONDS, every=0.2)
        led_by = await holder(operator)
        load = Registrations(stack, per_second=4)
        async with load.flowing(), chronicle.flowing():
            await eventually(lambda: both_handle(consumers), within=TAKEN_OVER_SECONDS, every=0.2)
            with hit(blow, leader, consumers[0]):
                await eventually(lambda: _another(operator, led_by), within=TAKEN_OVER_SECONDS, every=0.1)
                await chronicle.more(10)
                # nothing waits for the one that was hit
                await all_heard(operator, chronicle)
            await chronicle.more(10)
        await parts.well()
        await eventually(lambda: all_done(operator, load), within=TAKEN_OVER_SECONDS, every=0.3)
        await all_heard(operator, chronicle)
        users = [*(one.user_id for one in await accounts(operator, load.prefix)), *chronicle.told]
        written = await tellings(topics, USERS, chronicle.told)
        effects = await tellings(topics, PROFILES, users)

        assert set(load.answers) == {"202"}, load.answers
        for key, told in written.items():
            versions = [one.data["version"] for one in first_times(told)]
            assert versions == sorted(chronicle.told[UUID(key)]), key
        assert {key: len(told) for key, told in effects.items() if len(first_times(told)) != 1} == {}
        assert await parked(operator) == {}

    async def test_have_one_leader_at_a_time(self, pairs, operator):
        relays = await pairs.of("auth")
        await eventually(lambda: leader_of(relays), within=TAKEN_OVER_SECONDS, every=0.2)
        led_by = await holder(operator)

        await throughout(lambda: leader_of(relays), seconds=3.0, every=0.1)

        assert await holder(operator) == led_by


async def _another(operator: asyncpg.Connection, before: UUID | None) -> UUID | None:
    now = await holder(operator)
    return None if now == before else now
