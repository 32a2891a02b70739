from collections.abc import AsyncIterator, Callable

import pytest

from common.ids import new_id
from common.postgres.engine import Database
from tests.support.installation import Installation
from tests.support.services import SCHEMAS

Pools = Callable[..., Database]


@pytest.fixture
async def pools(installation: Installation, superuser) -> AsyncIterator[Pools]:
    """Makes databases of auth's worker whose settings a test chooses; nothing may stay checked out."""
    made: list[Database] = []

    def make(process: str = "worker", **settings: object) -> Database:
        chosen = installation.database_settings("auth", process).model_copy(update=settings)
        made.append(Database(chosen, service="auth", application_name=f"pool-{new_id().hex}"))
        return made[-1]

    yield make
    left = [database.pool.checked_out for database in made]
    for database in made:
        await database.close()
    assert left == [0] * len(made)


@pytest.fixture
def schemas():
    return SCHEMAS
