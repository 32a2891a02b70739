import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from common.http import shared_limits
from common.http.rate_limits import Limit, ProcessLimits, decide
from common.http.shared_limits import DECISIONS, PAUSE_SECONDS, RateLimits, RedisLimits, monotonic_us
from common.ids import new_id
from tests.support.own_redis import OwnRedis
from tests.support.waiting import eventually

TEN = Limit("ten", requests=10, seconds=3600)


async def allowed(limits: RateLimits, times: int, *, limit: Limit = TEN, who: str = "ada") -> int:
    return sum([(await limits.take(limit, who))[1].allowed for _ in range(times)])


def decisions(**labels: str) -> float:
    return sum(
        sample.value
        for family in DECISIONS.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and labels.items() <= sample.labels.items()
    )


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a Redis that is well may take its time, and these tests are not about how long."""
    monkeypatch.setattr(shared_limits, "PATIENCE_SECONDS", 10.0)


@pytest.fixture
async def make(redis: Redis) -> AsyncIterator[Callable[[], RateLimits]]:
    """The limits of one process after the other, before one Redis."""
    made: list[RateLimits] = []

    def limits() -> RateLimits:
        made.append(RateLimits(redis, prefix="test:", now_us=monotonic_us))
        return made[-1]

    yield limits
    for one in made:
        await one.close()


class TestTheScript:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(1, 12), st.floats(0.0005, 0.02), st.integers(1, 60))
    async def test_decides_as_a_process_does(self, redis: Redis, requests: int, seconds: float, times: int):
        """Windows of milliseconds, so that they run out and fill up again while it is asked."""
        limit, key = Limit("same", requests, seconds), new_id().hex
        clock = [0]
        shared, own = RedisLimits(redis, prefix="test:"), ProcessLimits(lambda: clock[0])
        for _ in range(times):
            told = await shared.take(limit, key)
            clock[0] = told.now

            assert own.take(limit, key) == told

    async def test_waits_for_one_window_at_most_when_its_clock_was_put_back(self, redis: Redis):
        limits = RedisLimits(redis, prefix="test:")
        now = (await limits.take(TEN, "ada")).now
        await redis.set("test:limit:ada", now + 100 * TEN.window_us)

        told = await limits.take(TEN, "ada")

        assert told == decide(TEN, now + 100 * TEN.window_us, told.now)
        assert told.retry_after_seconds(TEN) <= 360

    async def test_keeps_a_key_no_longer_than_it_matters(self, redis: Redis):
        told = await RedisLimits(redis, prefix="test:").take(TEN, "ada")

        assert 0 < await redis.pttl("test:limit:ada") <= told.reset_seconds() * 1000


class TestManyProcesses:
    async def test_never_let_more_through_than_the_limit(self, server: OwnRedis):
        program = str(Path(__file__).with_name("counting.py"))
        started = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, program, str(server.port), "25", "20", "500"),
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(4)
        ]
        counted = [int((await process.communicate())[0]) for process in started]

        # 2,000 asked in a few seconds; 500 in ten hours give one back every 72 s
        assert sum(counted) in {500, 501}


@pytest.mark.usefixtures("patient")
class TestTheLimits:
    async def test_are_shared_by_processes(self, make: Callable[[], RateLimits]):
        assert await allowed(make(), 6) + await allowed(make(), 6) == 10

    async def test_are_counted_by_what_decided(self, make: Callable[[], RateLimits]):
        before = decisions(limit="ten", by="redis")

        await allowed(make(), 12)

        assert decisions(limit="ten", by="redis") == before + 12

    async def test_refuse_without_asking_whom_they_refused(
        self, make: Callable[[], RateLimits], redis: Redis
    ):
        limits = make()
        await allowed(limits, 11)
        asked = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

        await allowed(limits, 50)

        assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] == asked

    async def test_are_moved_by_name(self, redis: Redis):
        limits = RateLimits(redis, prefix="test:", moved={"ten": "3/3600"}, now_us=monotonic_us)

        assert await allowed(limits, 12) == 3


class TestWithoutRedis:
    async def test_a_process_goes_on_from_what_it_knew(
        self, make: Callable[[], RateLimits], server: OwnRedis, monkeypatch: pytest.MonkeyPatch
    ):
        limits = make()
        with monkeypatch.context() as patiently:
            patiently.setattr(shared_limits, "PATIENCE_SECONDS", 10.0)
            await allowed(limits, 6)
        await server.kill()

        assert await allowed(limits, 10) == 4

    async def test_each_process_counts_for_itself(self, make: Callable[[], RateLimits], server: OwnRedis):
        await server.kill()
        before = decisions(by="process")

        assert [await allowed(make(), 15), await allowed(make(), 15)] == [10, 10]
        assert decisions(by="process") == before + 30

    async def test_that_says_nothing_only_the_first_request_waits(
        self, make: Callable[[], RateLimits], server: OwnRedis, monkeypatch: pytest.MonkeyPatch
    ):
        limits = make()
        await allowed(limits, 1)
        monkeypatch.setattr(shared_limits, "PAUSE_SECONDS", 60.0)
        server.pause()
        await allowed(limits, 1, who="first")

        began = time.perf_counter()
        await allowed(limits, 500, who="others", limit=Limit("many", requests=1000, seconds=60))

        # each of them would have waited 50 ms
        assert time.perf_counter() - began < 500 * 0.05 / 5

    async def test_that_is_back_they_share_again(
        self, make: Callable[[], RateLimits], server: OwnRedis, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(shared_limits, "PAUSE_SECONDS", PAUSE_SECONDS / 20)
        limits = make()
        await server.kill()
        await allowed(limits, 1)
        await server.start()

        async def is_shared() -> bool:
            await limits.take(TEN, new_id().hex)
            return bool(await redis.keys("test:limit:*"))

        assert await eventually(is_shared)
