from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from common.ids import new_id
from common.postgres.engine import Database
from tests.integration.postgres.proxy import Proxy, proxy_to
from tests.support.installation import Installation, Process
from tests.support.services import SCHEMAS

Pools = Callable[..., Database]


@pytest.fixture
async def pools(installation: Installation, superuser) -> AsyncIterator[Pools]:
    """Makes databases of auth's worker whose settings a test chooses; nothing may stay checked out."""
    made: list[Database] = []

    def make(process: Process = "worker", **settings: object) -> Database:
        chosen = installation.database_settings("auth", process).model_copy(update=settings)
        made.append(Database(chosen, service="auth", application_name=f"pool-{new_id().hex}"))
        return made[-1]

    yield make
    left = [database.pool.checked_out for database in made]
    for database in made:
        await database.close()
    assert left == [0] * len(made)


@pytest.fixture
async def proxy(installation: Installation) -> AsyncIterator[Proxy]:
    url = urlsplit(installation.database_settings("auth", "worker").url.get_secret_value())
    async with proxy_to(url.hostname, url.port) as proxy:
        yield proxy


@pytest.fixture
def through(pools: Pools, installation: Installation) -> Callable[..., Database]:
    """A database whose connections go to another port of this machine."""

    def make(port: int, process: Process = "worker", **settings: object) -> Database:
        url = urlsplit(installation.database_settings("auth", process).url.get_secret_value())
        login = url.netloc.rpartition("@")[0]
        moved = url._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
        return pools(process, **{"url": SecretStr(moved), "pool_size": 1} | settings)

    return make


@pytest.fixture
def schemas():
    return SCHEMAS
