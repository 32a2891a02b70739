import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from common.contracts.auth import SessionRevoked
from common.contracts.envelope import Event
from common.errors import QuartetError
from common.ids import new_id
from common.postgres.context import Context
from common.postgres.engine import Database
from common.revocation import HINT, POLL_SECONDS, RevokedSids, remember_revoked
from tests.support.databases import Databases
from tests.support.waiting import eventually


def revoked_event(*, expires_in_seconds: float = 600) -> Event[SessionRevoked]:
    now = datetime.now(UTC)
    user_id = new_id()
    data = SessionRevoked(
        user_id=user_id,
        session_id=new_id(),
        revoked_at=now - timedelta(hours=1),
        tokens_expire_at=now + timedelta(seconds=expires_in_seconds),
    )
    return Event(id=new_id(), key=str(user_id), data=data, time=now, user_id=user_id)


async def remember(database: Database, *events: Event[SessionRevoked]) -> None:
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        await remember_revoked(tx, events)


@pytest.fixture
def reading(databases: Databases) -> Database:
    return databases("profile", "api")


@pytest.fixture
def writing(databases: Databases) -> Database:
    return databases("profile", "worker")


@pytest.fixture
async def revoked(reading: Database) -> AsyncIterator[RevokedSids]:
    """Reads as an api process does."""
    stop = asyncio.Event()
    sids = RevokedSids(reading)
    running = asyncio.create_task(sids.run(stop))
    yield sids
    stop.set()
    await running


class TestAnEndedSession:
    async def test_is_known_to_an_api_within_a_second(self, revoked: RevokedSids, writing: Database):
        await eventually(lambda: revoked.loaded)
        event = revoked_event()
        await remember(writing, event)

        await eventually(lambda: event.data.session_id in revoked)

        assert POLL_SECONDS <= 0.5

    async def test_is_known_although_its_event_came_late(self, reading: Database, writing: Database):
        sids = RevokedSids(reading)
        await sids.refresh()
        event = revoked_event()
        await remember(writing, event)

        await sids.refresh()

        assert event.data.session_id in sids

    async def test_is_known_from_the_start(
        self, reading: Database, writing: Database, superuser: asyncpg.Connection
    ):
        event = revoked_event()
        await remember(writing, event)
        await superuser.execute("update profile.revoked_sids set revoked_at = now() - interval '9 minutes'")
        sids = RevokedSids(reading)

        await sids.refresh()

        assert event.data.session_id in sids

    async def test_is_remembered_once_however_often_it_is_told(
        self, writing: Database, superuser: asyncpg.Connection
    ):
        event = revoked_event()

        await remember(writing, event, event)
        await remember(writing, event, revoked_event())

        assert await superuser.fetchval("select count(*) from profile.revoked_sids") == 2

    async def test_whose_tokens_have_expired_is_not_remembered(
        self, writing: Database, superuser: asyncpg.Connection
    ):
        await remember(writing, revoked_event(expires_in_seconds=-1))

        assert await superuser.fetchval("select count(*) from profile.revoked_sids") == 0

    async def test_wakes_the_readers(self, databases: Databases):
        told: list[Sequence[str]] = []

        await remember(databases("profile", "worker", on_commit=told.append), revoked_event())

        assert told == [(HINT,)]


class TestTheReader:
    async def test_lets_nobody_in_before_it_has_read(self, reading: Database):
        with pytest.raises(QuartetError, match=r"token\.revocations_unknown"):
            new_id() in RevokedSids(reading)  # noqa: B015 - asking is what raises

    async def test_reads_everything_again_after_it_was_away(
        self, reading: Database, writing: Database, superuser: asyncpg.Connection
    ):
        sids = RevokedSids(reading)
        await sids.refresh()
        event = revoked_event()
        await remember(writing, event)
        await superuser.execute("update profile.revoked_sids set revoked_at = now() - interval '70 seconds'")
        await sids.refresh()
        assert event.data.session_id not in sids

        sids._all_read_at -= 60
        await sids.refresh()

        assert event.data.session_id in sids

    async def test_finds_in_time_what_was_committed_after_its_window(
        self, reading: Database, writing: Database, superuser: asyncpg.Connection
    ):
        """It was never away: a transaction that took too long is what it missed."""
        sids = RevokedSids(reading)
        await sids.refresh()
        event = revoked_event()
        await remember(writing, event)
        await superuser.execute("update profile.revoked_sids set revoked_at = now() - interval '70 seconds'")

        for _ in range(3):
            sids._all_read_at -= 20
            await sids.refresh()

        assert event.data.session_id in sids

    async def test_forgets_what_has_expired(self, reading: Database, writing: Database):
        now = datetime.now(UTC)
        sids = RevokedSids(reading, clock=lambda: now)
        event = revoked_event(expires_in_seconds=60)
        await remember(writing, event)
        await sids.refresh()
        assert event.data.session_id in sids

        now += timedelta(seconds=61)

        assert event.data.session_id not in sids
