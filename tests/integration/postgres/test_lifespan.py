import asyncio

import pytest

from common.composition.foundation import foundation
from common.errors import QuartetError
from common.postgres.constraints import NO_CONSTRAINTS
from common.postgres.context import Context
from common.postgres.metrics import POOLS
from common.settings import ApiSettings
from profile_service.storage.tables import HEAD


@pytest.fixture
def opened(installation, superuser, monkeypatch):
    """What the api of profile stands on, not yet opened."""
    for name, value in installation.environment("profile", "api").items():
        monkeypatch.setenv(name, value)
    return foundation(
        ApiSettings(), service="profile", process="api", constraints=NO_CONSTRAINTS, head=HEAD, wakes=()
    )


class TestLifespan:
    async def test_connects_when_something_is_asked_and_not_before(self, opened):
        async with opened as base:
            before = base.database.pool.opened
            async with base.database.transaction(as_user=Context.SHARED):
                pass

            assert (before, base.database.pool.opened) == (0, 1)

    async def test_closes_in_reverse_so_that_the_last_task_still_has_its_database(self, opened):
        done: list[str] = []

        async with opened as base:

            async def ends_late(stop: asyncio.Event) -> None:
                await stop.wait()
                async with base.database.transaction(as_user=Context.SHARED):
                    done.append("committed")
                await base.redis.ping()
                done.append("told")

            base.tasks.start("ends_late", ends_late)

        assert done == ["committed", "told"]
        assert base.database.pool.idle == 0
        with pytest.raises(QuartetError, match=r"database\.closed"):
            await base.database.begin(Context.SHARED)

    async def test_shows_its_pools_in_the_metrics_while_it_lasts(self, opened):
        async with opened:
            sizes = {sample.labels["pool"]: sample.value for sample in sizes_shown()}

        assert sizes == {"main": 6, "probe": 1}
        assert sizes_shown() == []


def sizes_shown():
    [size] = [metric for metric in POOLS.collect() if metric.name == "quartet_pool_size"]
    return size.samples
