"""A login with nothing to be decided on its way opens no transaction; any other takes the long way."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import httpx
import pytest

from auth_service.domain.login_locks import counters
from auth_service.domain.passwords import Checked
from auth_service.domain.registrations import password_tag
from common.postgres.context import AsUser
from common.postgres.engine import Database
from tests.support.accounts import add_user, grant_session
from tests.support.auth_app import AuthApp
from tests.support.blocked import blocked
from tests.support.oauth import claims_of
from tests.support.waiting import eventually

ADA, PASSWORD = "ada@example.org", "correct horse battery"


@pytest.fixture
async def ada(auth_app: AuthApp, superuser: asyncpg.Connection) -> UUID:
    hashed = await auth_app.resources.hashing.hash(PASSWORD)
    return await add_user(superuser, email=ADA, hashed_password=hashed)


@pytest.fixture
def log_in(auth_app: AuthApp):
    async def log_in() -> httpx.Response:
        async with auth_app.client() as client:
            return await client.post("/login", json={"email": ADA, "password": PASSWORD})

    return log_in


@pytest.fixture
def long_ways(monkeypatch) -> list[object]:
    """Transactions of users, as a login with decisions on its way needs one."""
    opened: list[object] = []
    transaction = Database.transaction

    def noted(database: Database, *, as_user: AsUser):
        if isinstance(as_user, UUID):
            opened.append(as_user)
        return transaction(database, as_user=as_user)

    monkeypatch.setattr(Database, "transaction", noted)
    return opened


@pytest.fixture
def while_hashing(auth_app: AuthApp):
    """What others do between the question for the hash and what comes of it."""

    def while_hashing(happens: Callable[[], Awaitable[object]]) -> None:
        class Hashing:
            async def check(self, _password: str, _stored: str | None) -> Checked:
                await happens()
                return Checked(right=True)

        object.__setattr__(auth_app.resources, "hashing", Hashing())

    return while_hashing


@pytest.fixture
def sessions(superuser: asyncpg.Connection):
    async def sessions() -> int:
        return await superuser.fetchval("select count(*) from auth.authentication_sessions")

    return sessions


async def a_failure(superuser: asyncpg.Connection, auth_app: AuthApp, *, locked: bool) -> None:
    by = counters(auth_app.resources.macs, email_norm=ADA, network="127.0.0.0/24", known_device=None)
    await superuser.execute(
        "insert into auth.login_attempts (who, failures, failed_at, locked_until)"
        " select who, 1, now(), case when $2 then now() + interval '1 minute' end"
        " from unnest($1::bytea[]) who"
        " on conflict (who) do update set failures = 1, locked_until = excluded.locked_until",
        list(by),
        locked,
    )


class TestALogin:
    async def test_opens_no_transaction_and_is_counted(self, ada, log_in, long_ways, superuser, sessions):
        answer = await log_in()

        counted = await superuser.fetchrow("select login_count, last_login_at from auth.login_stats")
        assert (answer.status_code, long_ways, await sessions()) == (200, [], 1)
        assert counted["login_count"] == 1
        assert counted["last_login_at"] is not None

    async def test_after_a_failure_goes_the_long_way_and_forgives(
        self, ada, auth_app, log_in, long_ways, superuser, sessions
    ):
        await a_failure(superuser, auth_app, locked=False)

        answer = await log_in()

        assert (answer.status_code, len(long_ways), await sessions()) == (200, 1, 1)
        assert await superuser.fetchval("select max(failures) from auth.login_attempts") == 0

    async def test_is_refused_when_a_lock_began_while_it_was_hashed(
        self, ada, auth_app, log_in, while_hashing, superuser, sessions
    ):
        while_hashing(lambda: a_failure(superuser, auth_app, locked=True))

        answer = await log_in()

        assert (answer.status_code, answer.json()["code"]) == (429, "login.locked")
        assert await sessions() == 0

    async def test_is_refused_when_an_administrator_locked_the_account_meanwhile(
        self, ada, log_in, while_hashing, superuser, sessions
    ):
        while_hashing(
            lambda: superuser.execute("update auth.login_stats set locked_until = now() + interval '1 day'")
        )

        assert ((await log_in()).status_code, await sessions()) == (401, 0)

    async def test_with_a_registered_password_forgets_the_registration(
        self, ada, auth_app, log_in, long_ways, superuser
    ):
        await superuser.execute(
            "insert into auth.registrations (user_id, password_tag, expires_at)"
            " values ($1, $2, now() + interval '1 day')",
            ada,
            password_tag(auth_app.resources.macs, user_id=ada, password=PASSWORD),
        )

        assert ((await log_in()).status_code, len(long_ways)) == (200, 1)
        assert await superuser.fetchval("select count(*) from auth.registrations") == 0

    async def test_beyond_the_most_sessions_ends_the_oldest(
        self, ada, auth_app, log_in, long_ways, superuser
    ):
        for _ in range(50):
            await grant_session(auth_app.database, ada)
        long_ways.clear()

        assert ((await log_in()).status_code, len(long_ways)) == (200, 1)
        assert await superuser.fetch(
            "select is_active, count(*) from auth.authentication_sessions group by 1 order by 1"
        ) == [(False, 1), (True, 50)]


@pytest.fixture
def log_in_beside(log_in, superuser):
    async def log_in_beside(change: str) -> httpx.Response:
        """The login finds the row as it was, waits for the change, and goes on when it is through."""
        changing = superuser.transaction()
        await changing.start()
        await superuser.execute(change)
        login = asyncio.create_task(log_in())
        await eventually(lambda: blocked(superuser))
        await changing.commit()
        return await login

    return log_in_beside


@pytest.fixture(params=[False, True], ids=["usual", "the long way"])
async def either_way(request, ada, auth_app, superuser):
    if request.param:
        await a_failure(superuser, auth_app, locked=False)


@pytest.mark.usefixtures("either_way", "databases")
class TestAnAccountThatIsBeingChanged:
    """The change ends every session that there is; one that begins beside it must not outlive it."""

    async def test_lets_nobody_in_by_the_password_before(self, log_in_beside, sessions):
        answer = await log_in_beside("update auth.users set hashed_password = 'another'")

        assert (answer.status_code, await sessions()) == (401, 0)

    async def test_lets_nobody_in_once_it_is_closed(self, log_in_beside, sessions):
        answer = await log_in_beside("update auth.users set is_active = false")

        assert (answer.status_code, await sessions()) == (401, 0)

    async def test_lets_its_user_in_with_the_role_of_now(self, superuser, log_in_beside):
        await superuser.execute("update auth.users set role = 'admin'")

        answer = await log_in_beside("update auth.users set role = 'user'")

        claims = claims_of(answer.json()["access_token"])
        assert claims["roles"] == []
