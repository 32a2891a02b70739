import pytest
from prometheus_client import CollectorRegistry, generate_latest

from common.errors import QuartetError
from common.postgres.metrics import PoolMetrics
from tests.support.pools import Server


@pytest.fixture
def metrics() -> PoolMetrics:
    return PoolMetrics()


def values(metrics: PoolMetrics) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


class TestPoolMetrics:
    async def test_show_size_use_overflow_and_utilisation(self, metrics):
        pool = Server().pool(size=1, overflow=3, long_checkout_seconds=60.0)
        held = [await pool.take() for _ in range(2)]

        with metrics.watching("main", pool):
            shown = values(metrics)

        names = ("size", "capacity", "checked_out", "overflow", "idle", "waiting", "utilisation")
        assert [shown[f'quartet_pool_{name}{{pool="main"}}'] for name in names] == [1, 4, 2, 1, 0, 0, 0.5]
        assert shown['quartet_pool_connections_opened_total{pool="main"}'] == 2
        assert shown['quartet_pool_busy_seconds_total{pool="main"}'] > 0
        assert shown['quartet_pool_long_checkouts_total{pool="main"}'] == 0
        for one in held:
            pool.give_back(one)

    async def test_show_how_long_callers_waited(self, metrics):
        pool = Server().pool(size=1, wait_seconds=0.02)
        held = await pool.take()
        with pytest.raises(QuartetError):
            await pool.take()

        with metrics.watching("main", pool):
            shown = values(metrics)

        waits = {name: value for name, value in shown.items() if name.startswith("quartet_pool_wait_seconds")}
        assert waits['quartet_pool_wait_seconds_bucket{le="0.001",pool="main"}'] == 1
        assert waits['quartet_pool_wait_seconds_bucket{le="+Inf",pool="main"}'] == 2
        assert waits['quartet_pool_wait_seconds_count{pool="main"}'] == 2
        assert waits['quartet_pool_wait_seconds_sum{pool="main"}'] >= 0.02
        pool.give_back(held)

    async def test_show_a_pool_for_as_long_as_it_is_watched(self, metrics):
        with metrics.watching("main", Server().pool()), metrics.watching("probe", Server().pool()):
            both = values(metrics)

        assert {'quartet_pool_size{pool="main"}', 'quartet_pool_size{pool="probe"}'} <= both.keys()
        assert values(metrics) == {}
