"""A service's login opens that service's doors only, at the pooler and in the database."""

import asyncio

import asyncpg
import pytest

from common.contracts.topics import SERVICES
from common.postgres.bootstrap import contexts_of
from tests.support.installation import Installation

LOGINS = [f"{service}_{process}" for service in SERVICES for process in ("api", "worker")]
DOORS = [f"{service}_{kind}" for service in SERVICES for kind in ("api", "worker", "probe")]


def opens(login: str, door: str) -> bool:
    service = login.partition("_")[0]
    return door in {login, f"{service}_probe"}


async def enter(installation: Installation, login: str, door: str) -> asyncpg.Connection:
    url = installation.stack.postgres_url(login, f"{installation.worker}_{door}", port="pgbouncer")
    return await asyncpg.connect(url, timeout=10, statement_cache_size=0)


async def is_let_in(installation: Installation, login: str, door: str) -> bool:
    try:
        connection = await enter(installation, login, door)
    except asyncpg.PostgresError:
        return False
    await connection.close()
    return True


@pytest.mark.usefixtures("superuser")
class TestPooler:
    @pytest.mark.parametrize("login", LOGINS)
    async def test_lets_a_login_in_at_its_own_aliases_only(self, installation, login):
        entered = await asyncio.gather(*(is_let_in(installation, login, door) for door in DOORS))

        assert [door for door, inside in zip(DOORS, entered, strict=True) if inside] == [
            door for door in DOORS if opens(login, door)
        ]

    @pytest.mark.parametrize("login", ["postgres", *(f"{service}_owner" for service in SERVICES)])
    async def test_lets_nobody_in_who_may_change_tables(self, installation, login):
        entered = await asyncio.gather(*(is_let_in(installation, login, door) for door in DOORS))

        assert not any(entered)

    async def test_refuses_a_wrong_password(self, installation):
        url = installation.stack.postgres_url(
            "auth_api", f"{installation.worker}_auth_api", port="pgbouncer"
        ).replace(installation.stack.passwords["auth_api"], "not-the-password")

        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(url, timeout=10)

    async def test_refuses_whoever_does_not_speak_tls(self, installation):
        url = installation.stack.postgres_url(
            "auth_api", f"{installation.worker}_auth_api", port="pgbouncer"
        ).partition("?")[0]

        with pytest.raises((asyncpg.PostgresError, ConnectionError)):
            await asyncpg.connect(url, timeout=10, ssl=False)


@pytest.mark.usefixtures("superuser")
class TestDatabase:
    @pytest.mark.parametrize("login", LOGINS)
    async def test_lets_a_login_become_no_role_of_another_service(self, installation, login):
        own = login.partition("_")[0]
        foreign = [f"{s}_{context}" for s in SERVICES if s != own for context in contexts_of(s)]
        connection = await enter(installation, login, login)

        for role in [*foreign, *(f"{service}_owner" for service in SERVICES), "postgres"]:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"begin; set local role {role}")
            await connection.execute("rollback")
        await connection.close()

    @pytest.mark.parametrize("login", LOGINS)
    async def test_shows_a_login_no_table_before_it_says_as_whom_it_asks(self, installation, login):
        connection = await enter(installation, login, login)

        for service in SERVICES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"select * from {service}.outbox")
        await connection.close()

    @pytest.mark.parametrize("login", [f"{service}_api" for service in SERVICES])
    async def test_keeps_the_api_from_becoming_the_workers_role(self, installation, login):
        connection = await enter(installation, login, login)

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"begin; set local role {login.partition('_')[0]}_system")
        await connection.close()
