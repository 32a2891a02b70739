import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from auth_service.domain.refresh_tokens import RefreshToken
from auth_service.domain.sessions import SessionLimits
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.refresh_session import RefreshRefusal, refresh_session
from auth_service.usecases.start_session import SessionGrant
from common.clock import utc_now
from common.ids import new_id
from tests.support.accounts import DEVICE, add_user, grant_session

LIMITS = SessionLimits()


@pytest.fixture
def auth(databases):
    return databases("auth", "api")


@pytest.fixture
async def user_id(superuser):
    return await add_user(superuser)


@pytest.fixture
def start(auth, user_id):
    async def start(limits: SessionLimits = LIMITS) -> SessionGrant:
        return await grant_session(auth, user_id, limits=limits)

    return start


@pytest.fixture
async def first(start) -> RefreshToken:
    return (await start()).refresh


@pytest.fixture
def refresh(auth):
    async def refresh(token: RefreshToken, *, after: timedelta = timedelta()):
        return await refresh_session(
            auth, token, device=DEVICE, limits=LIMITS, now=utc_now() + after, new_id=new_id
        )

    return refresh


class TestRefresh:
    async def test_gives_the_successor(self, refresh, first):
        granted = await refresh(first)

        assert granted.refresh == replace(first, counter=1)

    async def test_gives_the_same_successor_to_whoever_lost_the_answer(self, refresh, first):
        await refresh(first)

        again = await refresh(first, after=timedelta(seconds=15))

        assert again.refresh == replace(first, counter=1)

    async def test_gives_one_successor_to_fifty_who_ask_at_once(self, refresh, first):
        granted = await asyncio.gather(*(refresh(first) for _ in range(50)))

        assert {one.refresh for one in granted} == {replace(first, counter=1)}

    async def test_moves_the_idle_end_but_never_past_the_last(self, refresh, first, superuser):
        await refresh(first, after=LIMITS.idle / 2)

        session = await superuser.fetchrow("select * from auth.authentication_sessions")
        assert session["expires_at"] > session["created_at"] + LIMITS.idle
        assert session["expires_at"] <= session["ends_at"]

    async def test_of_a_session_that_was_idle_too_long_is_refused(self, refresh, first):
        assert await refresh(first, after=LIMITS.idle + timedelta(seconds=1)) is RefreshRefusal.ENDED

    async def test_of_an_account_that_is_not_active_is_refused(self, refresh, first, superuser):
        await superuser.execute("update auth.users set is_active = false")

        assert await refresh(first) is RefreshRefusal.ENDED

    async def test_with_a_token_that_the_database_never_gave_ends_nothing(self, refresh, first):
        assert await refresh(replace(first, counter=3)) is RefreshRefusal.UNKNOWN
        assert (await refresh(first)).refresh.counter == 1

    async def test_of_somebody_else_s_session_finds_none(self, refresh, first, superuser):
        other = await add_user(superuser)

        assert await refresh(replace(first, user_id=other)) is RefreshRefusal.ENDED


class TestReuse:
    @pytest.fixture
    async def outcome(self, refresh, first):
        """The first token comes once more when its successor was used already."""
        second = (await refresh(first)).refresh
        await refresh(second)
        return await refresh(first)

    async def test_ends_the_session(self, outcome, refresh, first):
        assert outcome is RefreshRefusal.REUSED
        assert await refresh(replace(first, counter=2)) is RefreshRefusal.ENDED

    async def test_tells_every_service_in_the_same_commit(self, outcome, first, superuser):
        revoked = await superuser.fetchval("select session_id from auth.revoked_sids")
        event = await superuser.fetchrow("select type, aggregateid from auth.outbox")

        assert revoked == first.session_id
        assert tuple(event) == ("session.revoked", str(first.session_id))

    async def test_leaves_a_trace(self, outcome, first, superuser):
        entry = await superuser.fetchrow("select action, user_id from auth.audit_log")

        assert tuple(entry) == ("session.refresh_token_reused", first.user_id)


class TestSessions:
    async def test_beyond_the_most_end_the_one_not_seen_for_longest(self, start, refresh):
        few = SessionLimits(most=2)
        oldest, newer = (await start(few)).refresh, (await start(few)).refresh

        newest = (await start(few)).refresh

        assert await refresh(oldest) is RefreshRefusal.ENDED
        assert [(await refresh(token)).refresh.counter for token in (newer, newest)] == [1, 1]

    async def test_that_have_expired_take_no_place(self, start, refresh, superuser):
        few = SessionLimits(most=2)
        expired, living = (await start(few)).refresh, (await start(few)).refresh
        await superuser.execute(
            "update auth.authentication_sessions set expires_at = now() where id = $1", expired.session_id
        )

        await start(few)

        assert (await refresh(living)).refresh.counter == 1
        assert await superuser.fetchval("select count(*) from auth.revoked_sids") == 0

    async def test_end_but_for_the_one_that_is_spared(self, auth, start, refresh, user_id):
        spared, other = (await start()).refresh, (await start()).refresh
        async with auth.transaction(as_user=user_id) as tx:
            ended = await end_sessions(
                tx,
                user_id=user_id,
                reason="others",
                now=utc_now(),
                new_id=new_id,
                sparing=spared.session_id,
            )

        assert ended == [other.session_id]
        assert await refresh(other) is RefreshRefusal.ENDED
        assert (await refresh(spared)).refresh.counter == 1
