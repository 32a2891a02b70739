import pytest

from common.locks import Outcome
from tests.support.waiting import eventually, throughout

KEY = "auth:lock:refresh:one"


@pytest.fixture(params=[0, None], ids=["asked once", "asked as redis-py does"])
async def locks(locks_on, own_redis, proxy, request):
    made = locks_on(own_redis.client(port=proxy.port, retries=request.param))
    async with a_lock(made):
        pass  # Redis knows the script from here on: what is lost is the reply of the script itself
    return made


def a_lock(locks, *, ttl_seconds: float = 60.0):
    return locks.lock("refresh", "one", ttl_seconds=ttl_seconds, wait_seconds=0.0)


class TestALostReply:
    async def test_of_taking_the_lock_leaves_it_with_who_took_it(self, locks, own_redis, proxy):
        proxy.lose_reply_of(b"acquire")

        async with a_lock(locks) as held:
            assert proxy.lost_replies == 1
            assert (held.outcome, held.held) == (Outcome.HELD, True)
            assert await own_redis.client(decode_responses=True).hget(KEY, "owner") == held._owner
        assert await own_redis.client().exists(KEY) == 0

    async def test_and_taking_it_again_is_one_turn(self, locks, proxy):
        proxy.lose_reply_of(b"acquire")

        async with a_lock(locks) as first:
            pass
        async with a_lock(locks) as second:
            pass

        assert second.fence == first.fence + 1

    async def test_of_extending_it_loses_nothing(self, locks, own_redis, proxy):
        async with a_lock(locks, ttl_seconds=1.5) as held:
            proxy.lose_reply_of(b"extend")

            await eventually(lambda: proxy.lost_replies == 1)

            await throughout(lambda: held.held, seconds=1.5)
            assert await own_redis.client(decode_responses=True).hget(KEY, "owner") == held._owner

    async def test_of_releasing_it_releases_it(self, locks, own_redis, proxy):
        async with a_lock(locks):
            proxy.lose_reply_of(b"release")

        assert proxy.lost_replies == 1
        assert await own_redis.client().exists(KEY) == 0


class TestASlowReply:
    async def test_makes_nobody_believe_in_more_time_than_redis_gave(self, locks, own_redis, proxy):
        proxy.delay_seconds = 0.4

        held = a_lock(locks, ttl_seconds=10.0)
        await held.__aenter__()
        left = held._hold._until - held._now()

        assert left <= await own_redis.client().pttl(KEY) / 1000
        proxy.delay_seconds = 0.0
        await held.__aexit__(None, None, None)
