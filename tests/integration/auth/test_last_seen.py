from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from auth_service.domain.tokens import ACCESS_TOKEN_LIFETIME
from auth_service.usecases.see_sessions import SeenSessions
from common.clock import utc_now
from common.errors import unavailable
from common.http.principals import Principal
from common.ids import new_id
from common.postgres.context import AsUser
from common.postgres.engine import Database
from common.postgres.trip import Step
from tests.support.accounts import add_session, add_user
from tests.support.waiting import eventually, throughout

MINUTE = timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self):
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(databases):
    return databases("auth", "api")


class Cut(Database):
    """The real database, out of reach while `away`."""

    away = False

    async def begin(self, as_user: AsUser, first: Sequence[Step] = ()) -> Any:
        if self.away:
            raise unavailable("database.unavailable", "The database does not answer.")
        return await super().begin(as_user, first)


@pytest.fixture
async def cut(installation):
    settings = installation.database_settings("auth", "api")
    database = Cut(settings, service="auth", application_name="cut")
    yield database
    await database.close()


@pytest.fixture
async def user(superuser, clock) -> Principal:
    """With a token that was issued this moment."""
    user_id = await add_user(superuser)
    session_id = await add_session(superuser, user_id=user_id, began=clock.now)
    return Principal(user_id=user_id, session_id=session_id, expires_at=clock.now + ACCESS_TOKEN_LIFETIME)


@pytest.fixture
async def seen(auth, clock):
    one = SeenSessions(auth, clock=clock)
    async with one.written():
        yield one


@pytest.fixture
def last_seen(superuser):
    async def last_seen(session_id: UUID):
        return await superuser.fetchval(
            "select last_seen_at from auth.authentication_sessions where id = $1", session_id
        )

    return last_seen


@pytest.fixture
def is_written(last_seen, user, clock):
    async def is_written() -> bool:
        return await last_seen(user.session_id) == clock.now

    return is_written


class TestASession:
    async def test_that_is_used_later_was_seen_then(self, seen, user, clock, is_written):
        clock.now += MINUTE

        seen.note(user)

        await eventually(is_written)

    async def test_is_written_once_a_minute_by_all_processes(self, seen, auth, user, clock, last_seen):
        """The other process has not heard of the first one's writing; the row has."""
        other = SeenSessions(auth, clock=clock)
        clock.now += MINUTE
        first = clock.now
        seen.note(user)

        async def is_first() -> bool:
            return await last_seen(user.session_id) == first

        await eventually(is_first)
        clock.now += MINUTE / 2
        async with other.written():
            seen.note(user)
            other.note(user)
            await throughout(is_first, seconds=0.2)

    async def test_that_has_ended_is_not_seen(self, seen, user, clock, superuser, last_seen):
        await superuser.execute(
            "update auth.authentication_sessions set is_active = false, revoked_at = now()"
        )
        before = await last_seen(user.session_id)
        clock.now += MINUTE
        seen.note(user)

        async def is_as_before() -> bool:
            return await last_seen(user.session_id) == before

        await throughout(is_as_before, seconds=0.2)

    async def test_of_somebody_else_is_not_seen(self, seen, user, clock, superuser, last_seen):
        other = await add_user(superuser)
        before = await last_seen(user.session_id)
        clock.now += MINUTE
        seen.note(replace(user, user_id=other))

        async def is_as_before() -> bool:
            return await last_seen(user.session_id) == before

        await throughout(is_as_before, seconds=0.2)


class TestSeeing:
    async def test_is_none_of_the_minute_in_which_the_token_was_issued(self, auth, user, clock):
        seen = SeenSessions(auth, clock=clock)
        clock.now += MINUTE / 2
        seen.note(user)
        seen.note(replace(user, session_id=None))

        assert seen.waiting == 0

    async def test_many_remembers_no_more_than_it_may(self, auth, user, clock):
        seen = SeenSessions(auth, clock=clock, most_waiting=3)
        clock.now += MINUTE
        for _ in range(10):
            seen.note(replace(user, session_id=new_id()))

        assert seen.waiting == 3

    async def test_goes_on_after_a_write_that_failed(self, cut, user, clock, is_written):
        seen = SeenSessions(cut, clock=clock)
        async with seen.written():
            cut.away = True
            clock.now += MINUTE
            seen.note(user)
            await eventually(lambda: seen.failures == 1)
            cut.away = False
            clock.now += MINUTE
            seen.note(user)

            await eventually(is_written)


class TestARequest:
    async def test_makes_its_session_seen(self, auth_app, superuser, last_seen, clock):
        stored = await auth_app.resources.hashing.hash("correct horse battery")
        await add_user(superuser, email="ada@example.org", hashed_password=stored)
        tokens = await auth_app.log_in("ada@example.org", "correct horse battery")
        session_id = UUID(tokens["session_id"])
        await superuser.execute(
            "update auth.authentication_sessions set last_seen_at = now() - interval '1 hour'"
        )
        later = utc_now() + 2 * MINUTE
        auth_app.resources.seen._clock = lambda: later
        async with auth_app.client(tokens["access_token"]) as client:
            await client.get("/me")

        async def is_written() -> bool:
            return await last_seen(session_id) == later

        await eventually(is_written)
