"""What dashboards and alerts see of the pools: read when somebody asks, so that a checkout pays nothing."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from itertools import accumulate
from typing import Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from common.postgres.pool import Pool, WaitingTimes
from common.telemetry.metrics import REGISTRY

_GAUGES: Final = {
    "size": "Connections that the pool keeps.",
    "capacity": "Connections that the pool may have, those beyond its size included.",
    "checked_out": "Connections in use or being opened.",
    "overflow": "How many of them are beyond the size.",
    "idle": "Connections that wait for their next use.",
    "waiting": "How many wait for a connection.",
}


class PoolMetrics(Collector):
    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    @contextmanager
    def watching(self, name: str, pool: Pool) -> Generator[None]:
        self._pools[name] = pool
        try:
            yield
        finally:
            del self._pools[name]

    def collect(self) -> Iterable[Metric]:
        yield from (self._gauge(name, described) for name, described in _GAUGES.items())
        utilisation = GaugeMetricFamily(
            "quartet_pool_utilisation", "Part of the capacity that is in use now.", labels=["pool"]
        )
        busy = CounterMetricFamily(
            "quartet_pool_busy_seconds_total",
            "Time that connections were in use; its rate over the capacity is the mean utilisation.",
            labels=["pool"],
        )
        opened = CounterMetricFamily(
            "quartet_pool_connections_opened_total", "Connections that were opened.", labels=["pool"]
        )
        long = CounterMetricFamily(
            "quartet_pool_long_checkouts_total",
            "Connections that were out for longer than DATABASE_LONG_CHECKOUT_SECONDS.",
            labels=["pool"],
        )
        waits = HistogramMetricFamily(
            "quartet_pool_wait_seconds", "How long a caller waited for a connection's place.", labels=["pool"]
        )
        for name, pool in self._pools.items():
            utilisation.add_metric([name], pool.checked_out / pool.capacity)
            busy.add_metric([name], pool.checkouts.busy_seconds)
            opened.add_metric([name], pool.opened)
            long.add_metric([name], pool.checkouts.long)
            waits.add_metric([name], _buckets(pool.waiting_times), pool.waiting_times.seconds)
        yield from (utilisation, busy, opened, long, waits)

    def _gauge(self, name: str, described: str) -> Metric:
        gauge = GaugeMetricFamily(f"quartet_pool_{name}", described, labels=["pool"])
        for pool_name, pool in self._pools.items():
            gauge.add_metric([pool_name], getattr(pool, name))
        return gauge


def _buckets(times: WaitingTimes) -> list[tuple[str, float]]:
    bounds = [*map(str, times.BOUNDS), "+Inf"]
    return list(zip(bounds, accumulate(times.counts), strict=True))


POOLS: Final = PoolMetrics()
REGISTRY.register(POOLS)
