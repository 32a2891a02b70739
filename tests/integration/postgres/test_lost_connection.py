import asyncio
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from common.errors import Kind, QuartetError
from common.postgres import connection as connection_module
from common.postgres import engine as engine_module
from common.postgres.context import Context
from common.postgres.timeouts import COMMAND_SECONDS
from tests.integration.postgres.proxy import Proxy
from tests.integration.postgres.rows import count, write
from tests.support.waiting import eventually


@pytest.fixture
async def database(proxy, through):
    """Warm: it has one connection, which goes through the proxy."""
    database = through(proxy.port)
    async with database.transaction(as_user=Context.SYSTEM):
        pass
    return database


@pytest.fixture
def short(monkeypatch):
    for name in ("BEGIN_SECONDS", "COMMIT_SECONDS", "ROLLBACK_SECONDS"):
        monkeypatch.setattr(connection_module, name, 0.2)
    monkeypatch.setattr(engine_module, "CONNECT_SECONDS", 0.2)


async def nothing(_tx) -> None:
    pass


async def soon(database, work) -> None:
    """Well before the time limit of any other statement."""
    async with asyncio.timeout(COMMAND_SECONDS / 2):
        await database.in_transaction(Context.SYSTEM, work)


def is_unavailable(error: QuartetError) -> bool:
    return error.kind is Kind.UNAVAILABLE and error.retry_after_seconds is not None


class TestLostConnection:
    async def test_found_at_begin_is_replaced_and_nobody_notices(self, database, proxy: Proxy):
        proxy.doom()

        async with database.transaction(as_user=Context.SYSTEM) as tx:
            assert (await tx.execute(sa.text("SELECT 1"))).scalar_one() == 1

        assert (proxy.accepted, database.pool.opened) == (2, 2)

    async def test_at_begin_is_replaced_once_and_no_more(self, database, proxy: Proxy, monkeypatch):
        begin = connection_module.ContextConnection.begin

        async def doomed_begin(driver, service, as_user, first):
            proxy.doom()
            await begin(driver, service, as_user, first)

        monkeypatch.setattr(connection_module.ContextConnection, "begin", doomed_begin)

        with pytest.raises(QuartetError) as refused:
            await database.in_transaction(Context.SYSTEM, nothing)

        assert is_unavailable(refused.value)
        assert (proxy.accepted, database.pool.checked_out) == (2, 0)

    async def test_in_the_midst_of_work_is_never_repeated(self, database, proxy: Proxy, superuser):
        runs: list[int] = []

        async def work(tx) -> None:
            runs.append(1)
            await write(tx, None)
            proxy.doom()
            await write(tx, None)

        with pytest.raises(QuartetError) as refused:
            await database.in_transaction(Context.SYSTEM, work)

        assert is_unavailable(refused.value)
        assert (len(runs), await count(superuser), database.pool.checked_out) == (1, 0, 0)

    async def test_at_commit_is_told_to_the_caller(self, database, proxy: Proxy):
        async def work(tx) -> None:
            await write(tx, None)
            proxy.doom()

        with pytest.raises(QuartetError) as refused:
            await database.in_transaction(Context.SYSTEM, work)

        assert is_unavailable(refused.value)

    async def test_whose_error_is_swallowed_is_told_at_the_end(self, database, proxy: Proxy):
        async def work(tx) -> None:
            proxy.doom()
            with pytest.raises(DBAPIError):
                await write(tx, None)

        with pytest.raises(QuartetError) as refused:
            await database.in_transaction(Context.SYSTEM, work)

        assert is_unavailable(refused.value)
        assert database.pool.checked_out == 0

    async def test_of_a_killed_backend_is_a_passing_fault(self, pools, superuser):
        database = pools(pool_size=1)

        async def work(tx) -> None:
            pid = (await tx.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
            await superuser.execute("select pg_terminate_backend($1)", pid)
            await tx.execute(sa.text("SELECT pg_sleep(10)"))

        with pytest.raises(QuartetError) as refused:
            await database.in_transaction(Context.SYSTEM, work)

        assert is_unavailable(refused.value)
        await database.in_transaction(Context.SYSTEM, nothing)

    async def test_to_a_port_where_nobody_listens_is_a_passing_fault(self, through, free_port):
        database = through(free_port)

        with pytest.raises(QuartetError) as refused:
            await database.in_transaction(Context.SYSTEM, nothing)

        assert (refused.value.code, is_unavailable(refused.value)) == ("database.unavailable", True)


@pytest.mark.usefixtures("short")
class TestSilentNetwork:
    async def test_ends_a_connect(self, proxy: Proxy, through):
        proxy.silent = True

        with pytest.raises(QuartetError) as refused:
            await soon(through(proxy.port), nothing)

        assert is_unavailable(refused.value)

    async def test_ends_a_begin(self, database, proxy: Proxy):
        [idle] = database.pool._idle
        proxy.silent = True

        with pytest.raises(QuartetError) as refused:
            await soon(database, nothing)

        assert is_unavailable(refused.value)
        assert idle.driver.is_closed()

    async def test_ends_a_commit(self, database, proxy: Proxy):
        [idle] = database.pool._idle

        async def work(tx) -> None:
            await write(tx, None)
            proxy.silent = True

        with pytest.raises(QuartetError) as refused:
            await soon(database, work)

        assert is_unavailable(refused.value)
        assert idle.driver.is_closed()

    async def test_ends_a_rollback_and_the_first_error_is_the_one_that_is_raised(
        self, database, proxy: Proxy
    ):
        [idle] = database.pool._idle

        async def work(_tx) -> None:
            proxy.silent = True
            raise LookupError

        with pytest.raises(LookupError):
            await soon(database, work)

        assert (idle.driver.is_closed(), database.pool.checked_out) == (True, 0)


class TestRefusal:
    async def test_of_a_wrong_password_is_no_passing_fault_and_shows_no_password(self, pools, installation):
        url = installation.database_settings("auth", "worker").url.get_secret_value()
        parts = urlsplit(url)
        wrong = parts._replace(netloc=parts.netloc.replace(parts.password, "hunter2")).geturl()

        with pytest.raises(QuartetError) as refused:
            await pools(url=SecretStr(wrong)).in_transaction(Context.SYSTEM, nothing)

        assert (refused.value.code, refused.value.kind) == ("database.refused", Kind.INTERNAL)
        assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"


class TestFullPool:
    async def test_is_a_passing_fault_after_a_short_wait(self, pools):
        database = pools(pool_size=1, pool_wait_seconds=0.05)
        async with database.transaction(as_user=Context.SYSTEM):
            with pytest.raises(QuartetError, match=r"database\.pool_exhausted") as refused:
                await database.in_transaction(Context.SYSTEM, nothing)

        assert is_unavailable(refused.value)

    async def test_serves_everybody_in_turn(self, pools):
        database = pools(pool_size=2, pool_wait_seconds=10.0)

        await asyncio.gather(*(database.in_transaction(Context.SYSTEM, nothing) for _ in range(40)))

        assert (database.pool.opened, database.pool.waits) == (2, 38)
        await eventually(lambda: database.pool.checked_out == 0)
