import asyncio
from collections.abc import AsyncIterator, Iterator
from threading import Thread
from weakref import WeakSet

import asyncpg
import pytest

from common.postgres.pool import Pool
from tests.support.handing_out import hands_out
from tests.support.leaks import checked_out, open_transactions
from tests.support.waiting import eventually

BEGUN_FIRST = (
    "health/test_processes.py",
    "messaging/test_processes.py",
    "auth/test_revocation_everywhere.py",
    "connecting/",
    "http/test_api_process.py",
    "fuzz/",
    "jobs/test_steps.py",
)
"""Files that take longest: begun last, they would keep one worker busy while the others have nothing left."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Whoever hands tests out fetches what the first tests of a storage would wait a minute for."""
    if hands_out(session.config):
        from tests.support.own_s3 import ensure_jars_of_storage

        # where it fails, those tests will say why; a run that is shorter ends when it has
        Thread(target=lambda: asyncio.run(ensure_jars_of_storage())).start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((number for number, part in enumerate(BEGUN_FIRST) if part in path), len(BEGUN_FIRST))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def pools_made() -> Iterator[WeakSet[Pool]]:
    """Every pool that is alive, whoever made it."""
    made: WeakSet[Pool] = WeakSet()
    make = Pool.__init__

    def noted(pool: Pool, *arguments, **settings) -> None:
        make(pool, *arguments, **settings)
        made.add(pool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "__init__", noted)
        yield made


@pytest.fixture
def onlooker(request: pytest.FixtureRequest) -> asyncpg.Connection | None:
    """A look at the server, for tests that use one."""
    return request.getfixturevalue("cleaned_by")[0] if "cleaned_by" in request.fixturenames else None


@pytest.fixture(autouse=True)
async def nothing_is_left_open(
    pools_made: WeakSet[Pool], onlooker: asyncpg.Connection | None
) -> AsyncIterator[None]:
    """Fails the test that leaves a connection checked out or a transaction open."""
    yield

    async def nothing() -> bool:
        left = checked_out(pools_made)
        if onlooker is not None:
            left += await open_transactions(onlooker)
        assert left == []
        return True

    await eventually(nothing, within=5.0)
