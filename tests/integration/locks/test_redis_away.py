"""Nobody who asks for a lock hears of what happens to Redis."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY

from common.locks import Outcome
from tests.support.waiting import eventually, throughout

KEY = "auth:lock:refresh:one"
PATIENCE_SECONDS = 0.05


@pytest.fixture
def locks(locks_on, own_redis):
    """As patient as in production."""
    return locks_on(own_redis.client(retries=None), patience_seconds=PATIENCE_SECONDS)


def a_lock(locks, *, ttl_seconds: float = 60.0, wait_seconds: float = 0.0):
    return locks.lock("refresh", "one", ttl_seconds=ttl_seconds, wait_seconds=wait_seconds)


async def outcome_of(locks) -> Outcome | None:
    async with a_lock(locks) as asked:
        return asked.outcome


async def is_held(locks) -> bool:
    return await outcome_of(locks) is Outcome.HELD


async def is_free(own_redis) -> bool:
    return await own_redis.client().exists(KEY) == 0


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def questions_that_waited() -> float:
    return sum(count("quartet_lock_skips_total", reason=reason) for reason in ("slow", "failed"))


class TestRedisThatWasKilled:
    async def test_is_done_without_and_counted(self, locks, own_redis):
        await own_redis.kill()
        skipped = count("quartet_locks_total", kind="refresh", outcome="skipped")

        assert await outcome_of(locks) is Outcome.SKIPPED
        assert count("quartet_locks_total", kind="refresh", outcome="skipped") == skipped + 1

    async def test_and_started_empty_is_used_again(self, locks, own_redis):
        await eventually(lambda: is_held(locks))
        await own_redis.kill()
        for _ in range(5):
            assert await outcome_of(locks) is Outcome.SKIPPED

        await own_redis.start()

        await eventually(lambda: is_held(locks))

    async def test_while_somebody_held_a_lock_tells_him_that_it_is_lost(self, locks_on, own_redis):
        locks = locks_on(own_redis.client())
        refused = count("quartet_lock_extensions_total", outcome="refused")
        async with a_lock(locks, ttl_seconds=3.0) as held:
            await own_redis.kill()
            await own_redis.start()

            await eventually(lambda: not held.held)

        assert count("quartet_lock_extensions_total", outcome="refused") == refused + 1


class TestRedisThatWasStopped:
    async def test_costs_a_few_callers_their_patience_and_then_nobody(self, locks, own_redis):
        await eventually(lambda: is_held(locks))
        own_redis.pause()
        waited, began_at = questions_that_waited(), time.monotonic()

        for _ in range(200):
            assert await outcome_of(locks) is Outcome.SKIPPED

        # three until the circuit opened, then one a second
        assert questions_that_waited() - waited <= 3 + (time.monotonic() - began_at) + 1
        own_redis.go_on()

    async def test_keeps_no_lock_for_one_who_went_on_without_it(self, locks, own_redis):
        await eventually(lambda: is_held(locks))
        own_redis.pause()
        assert await outcome_of(locks) is Outcome.SKIPPED

        own_redis.go_on()

        await locks.close()
        await eventually(lambda: is_free(own_redis))

    async def test_does_not_hold_up_who_lets_go_of_a_lock(self, locks_on, own_redis):
        locks = locks_on(own_redis.client(), patience_seconds=0.2)
        async with a_lock(locks) as held:
            assert held.outcome is Outcome.HELD
            own_redis.pause()
        own_redis.go_on()

        await locks.close()
        await eventually(lambda: is_free(own_redis))

    async def test_ends_a_wait_for_a_lock(self, locks_on, own_redis):
        locks = locks_on(own_redis.client(), patience_seconds=0.2)
        waiter = a_lock(locks, wait_seconds=60.0)
        async with a_lock(locks):
            waiting = asyncio.create_task(waiter.__aenter__())
            await throughout(lambda: not waiting.done(), seconds=0.1)

            own_redis.pause()

            async with asyncio.timeout(10):
                await waiting
            assert waiter.outcome is Outcome.SKIPPED
            own_redis.go_on()


class TestRedisThatIsSlow:
    async def test_is_not_waited_for_and_keeps_nothing(self, locks_on, own_redis, proxy):
        locks = locks_on(own_redis.client(port=proxy.port), patience_seconds=PATIENCE_SECONDS)
        await eventually(lambda: is_held(locks))
        proxy.delay_seconds = 4 * PATIENCE_SECONDS

        assert await outcome_of(locks) is Outcome.SKIPPED

        await eventually(lambda: is_free(own_redis))


class TestRedisThatIsFull:
    async def test_is_done_without(self, locks, own_redis):
        await eventually(lambda: is_held(locks))
        await own_redis.client().config_set("maxmemory", "1")

        assert await outcome_of(locks) is Outcome.SKIPPED
