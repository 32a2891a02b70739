import itertools

import pytest

from common.locks import Outcome
from tests.support.interrupting import CancelledAt

KEY = "auth:lock:refresh:one"


@pytest.fixture
async def redis(own_redis):
    return own_redis.client()


def a_lock(locks, *, wait_seconds: float = 0.0):
    return locks.lock("refresh", "one", ttl_seconds=60.0, wait_seconds=wait_seconds)


async def take_and_let_go(locks) -> None:
    async with a_lock(locks):
        pass


async def wait_in_vain(locks) -> None:
    async with a_lock(locks, wait_seconds=0.3) as waiter:
        assert waiter.outcome is Outcome.BUSY


class TestCancellation:
    async def test_wherever_it_comes_leaves_no_lock_behind(self, locks_on, own_redis):
        for step in itertools.count(1):
            redis = own_redis.client()
            locks = locks_on(redis)

            cancelled = await CancelledAt(take_and_let_go(locks), step).run()

            await locks.close()
            assert await redis.exists(KEY) == 0, f"cancelled at step {step}"
            if not cancelled:
                break

        assert step > 2

    async def test_of_one_who_waits_leaves_the_lock_with_its_holder(self, locks_on, own_redis):
        redis = own_redis.client()
        holder = a_lock(locks_on(redis))
        await holder.__aenter__()
        for step in itertools.count(1):
            locks = locks_on(own_redis.client())

            cancelled = await CancelledAt(wait_in_vain(locks), step).run()

            await locks.close()
            assert (await redis.hget(KEY, "owner")).decode() == holder._owner
            if not cancelled:
                break

        assert step > 2
        await holder.__aexit__(None, None, None)
        assert await redis.exists(KEY) == 0
