"""Sessions against a model of a few lines: whatever is done to them in whatever order, they agree."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from auth_service.domain.refresh_tokens import RefreshToken
from auth_service.domain.sessions import SessionLimits
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.refresh_session import RefreshRefusal, refresh_session
from auth_service.usecases.start_session import SessionGrant
from common.clock import utc_now
from common.ids import new_id
from common.postgres.engine import Database
from tests.support.accounts import DEVICE, add_user, grant_session
from tests.support.installation import Installation

LIMITS = SessionLimits(idle=timedelta(days=30), absolute=timedelta(days=40), most=1000)

_TOLD = "select aggregateid from auth.outbox where type = 'session.revoked' and aggregateid = any($1)"
_ROWS = "select id, refresh_counter, is_active, expires_at from auth.authentication_sessions"


@dataclass
class Model:
    """What a session is, as its user understands it."""

    token: RefreshToken
    expires_at: object
    ends_at: object
    counter: int = 0
    active: bool = True


class World:
    """The real use cases over the real database, for a machine that knows no loop."""

    def __init__(self, installation: Installation) -> None:
        self._loop = asyncio.Runner()
        self.database = Database(
            installation.database_settings("auth", "api"), service="auth", application_name="model"
        )
        self.superuser: asyncpg.Connection = self.run(asyncpg.connect(installation.superuser_url()))

    def run(self, work):
        return self._loop.run(work)

    def close(self) -> None:
        self.run(self.database.close())
        self.run(self.superuser.close())
        self._loop.close()


class Sessions(RuleBasedStateMachine):
    world: World
    sessions = Bundle("sessions")

    def __init__(self) -> None:
        super().__init__()
        self.now = utc_now()
        self.user_id: UUID = self.world.run(add_user(self.world.superuser))
        self.known: dict[UUID, Model] = {}

    def present(self, token: RefreshToken) -> SessionGrant | RefreshRefusal:
        return self.world.run(
            refresh_session(
                self.world.database, token, device=DEVICE, limits=LIMITS, now=self.now, new_id=new_id
            )
        )

    def lives(self, session: Model) -> bool:
        return session.active and session.expires_at > self.now

    @precondition(lambda self: sum(map(self.lives, self.known.values())) < 3)
    @rule(target=sessions)
    def sign_in(self) -> Model:
        begun = grant_session(self.world.database, self.user_id, limits=LIMITS, now=self.now)
        token = self.world.run(begun).refresh
        assert token.session_id not in self.known
        session = Model(token, self.now + LIMITS.idle, self.now + LIMITS.absolute)
        self.known[token.session_id] = session
        return session

    @rule(session=sessions, times=st.integers(1, 4))
    def refresh(self, session: Model, times: int) -> None:
        """Also stands for refreshes whose answers are lost: nobody but the client knows."""
        for _ in range(times):
            outcome = self.present(replace(session.token, counter=session.counter))
            if not self.lives(session):
                assert outcome is RefreshRefusal.ENDED
                return
            session.counter += 1
            session.expires_at = min(self.now + LIMITS.idle, session.ends_at)
            assert outcome.refresh.counter == session.counter

    @rule(session=sessions)
    def present_the_one_before(self, session: Model) -> None:
        if session.counter == 0:
            return
        outcome = self.present(replace(session.token, counter=session.counter - 1))
        if self.lives(session):
            assert outcome.refresh.counter == session.counter
        else:
            assert outcome is RefreshRefusal.ENDED

    @rule(session=sessions, which=st.integers(0, 100))
    def present_an_older_one(self, session: Model, which: int) -> None:
        if session.counter < 2:
            return
        outcome = self.present(replace(session.token, counter=which % (session.counter - 1)))
        assert outcome is (RefreshRefusal.REUSED if self.lives(session) else RefreshRefusal.ENDED)
        session.active = session.active and not self.lives(session)

    @rule(session=sessions, ahead=st.integers(1, 3))
    def present_one_that_never_was(self, session: Model, ahead: int) -> None:
        outcome = self.present(replace(session.token, counter=session.counter + ahead))
        assert outcome is (RefreshRefusal.UNKNOWN if self.lives(session) else RefreshRefusal.ENDED)

    @rule(session=sessions)
    def present_as_somebody_else(self, session: Model) -> None:
        forged = replace(session.token, user_id=new_id(), counter=session.counter)
        assert self.present(forged) is RefreshRefusal.ENDED

    @rule(session=sessions)
    def revoke(self, session: Model) -> None:
        async def end() -> list[UUID]:
            async with self.world.database.transaction(as_user=self.user_id) as tx:
                return await end_sessions(
                    tx,
                    user_id=self.user_id,
                    reason="revoked",
                    now=self.now,
                    new_id=new_id,
                    only=session.token.session_id,
                )

        assert self.world.run(end()) == ([session.token.session_id] if session.active else [])
        session.active = False

    @rule(days=st.sampled_from([1, 1, 10, 25, 31]))
    def let_time_pass(self, days: int) -> None:
        self.now += timedelta(days=days)

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        rows = self.world.run(self.world.superuser.fetch(f"{_ROWS} where user_id = $1", self.user_id))
        assert {row["id"]: tuple(row)[1:] for row in rows} == {
            session_id: (session.counter, session.active, session.expires_at)
            for session_id, session in self.known.items()
        }

    @invariant()
    def every_end_is_told_once(self) -> None:
        told = self.world.run(
            self.world.superuser.fetch(
                _TOLD,
                [str(session_id) for session_id in self.known],
            )
        )
        ended = [str(session_id) for session_id, one in self.known.items() if not one.active]
        assert sorted(row["aggregateid"] for row in told) == sorted(ended)


@pytest.fixture
def world(installation, superuser):
    opened = World(installation)
    yield opened
    opened.close()


class TestSessions:
    def test_agree_with_their_model(self, world):
        run_state_machine_as_test(
            type("SessionsOfTheTest", (Sessions,), {"world": world}),
            settings=settings(
                max_examples=60,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
