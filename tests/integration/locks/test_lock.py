"""On the stack's own Redis, as the user that services are."""

import asyncio

import pytest

from common.locks import Outcome, lock
from tests.support.waiting import eventually, happens, throughout

KEY = "auth:lock:refresh:one"


@pytest.fixture
def locks(locks_on, redis):
    return locks_on(redis)


def a_lock(locks, *, ttl_seconds: float = 60.0, wait_seconds: float = 0.0):
    return locks.lock("refresh", "one", ttl_seconds=ttl_seconds, wait_seconds=wait_seconds)


class TestALock:
    async def test_has_one_holder_at_a_time(self, locks):
        async with a_lock(locks) as first, a_lock(locks) as second:
            assert (first.outcome, first.held) == (Outcome.HELD, True)
            assert (second.outcome, second.held) == (Outcome.BUSY, False)

    async def test_is_free_again_when_its_block_ends(self, locks, redis):
        with pytest.raises(LookupError):
            async with a_lock(locks) as first:
                raise LookupError

        assert not first.held
        assert await redis.exists(KEY) == 0
        async with a_lock(locks) as second:
            assert second.outcome is Outcome.HELD

    async def test_always_has_an_end(self, locks, redis):
        async with a_lock(locks, ttl_seconds=30.0):
            assert 20_000 < await redis.pttl(KEY) <= 30_000

    async def test_is_one_acquisition(self, locks):
        one = a_lock(locks)
        async with one:
            with pytest.raises(RuntimeError, match="taken once"):
                await one.__aenter__()

    async def test_that_is_another_s_by_now_is_not_released(self, locks, redis):
        async with a_lock(locks):
            await redis.delete(KEY)
            other = a_lock(locks)
            await other.__aenter__()

        assert await redis.hget(KEY, "owner") == other._owner
        await other.__aexit__(None, None, None)

    async def test_lives_on_while_its_block_runs(self, locks, redis):
        async with a_lock(locks, ttl_seconds=0.6) as held:
            await throughout(lambda: held.held, seconds=1.5)
            assert await redis.hget(KEY, "owner") == held._owner

    async def test_that_was_lost_is_not_taken_again_by_extending_it(self, locks, redis):
        async with a_lock(locks, ttl_seconds=0.6) as held:
            await redis.delete(KEY)

            await eventually(lambda: not held.held)
            assert await redis.exists(KEY) == 0

    async def test_numbers_its_holders_upwards(self, locks):
        fences = []
        for _ in range(3):
            async with a_lock(locks) as held:
                fences.append(held.fence)

        assert fences == sorted(set(fences))

    async def test_numbers_them_upwards_when_redis_was_emptied(self, locks, redis):
        async with a_lock(locks) as before:
            pass
        await redis.delete("auth:lock-fence")
        async with a_lock(locks) as after:
            pass

        assert after.fence > before.fence

    async def test_leaves_nothing_behind_but_the_counter(self, locks, redis, redis_clients):
        async with a_lock(locks):
            pass

        operator = redis_clients("operator")
        await eventually(lambda: only(operator, ["auth:lock-fence"]))


class TestWaiting:
    async def test_ends_as_soon_as_the_lock_is_released(self, locks, monkeypatch):
        monkeypatch.setattr(lock, "POLL_SECONDS", 60.0)
        holder, waiter = a_lock(locks), a_lock(locks, wait_seconds=60.0)
        await holder.__aenter__()
        waiting = asyncio.create_task(waiter.__aenter__())
        await throughout(lambda: not waiting.done(), seconds=0.2)

        await holder.__aexit__(None, None, None)

        async with asyncio.timeout(10):
            await waiting
        assert waiter.outcome is Outcome.HELD
        await waiter.__aexit__(None, None, None)

    async def test_ends_when_the_lock_runs_out(self, locks, redis):
        await redis.hset(KEY, mapping={"owner": "one that crashed", "fence": 1})
        await redis.pexpire(KEY, 200)

        async with a_lock(locks, wait_seconds=10.0) as waiter:
            assert waiter.outcome is Outcome.HELD

    async def test_ends_when_the_lock_has_lost_its_end(self, locks, redis):
        await redis.hset(KEY, mapping={"owner": "one that crashed", "fence": 1})

        async with a_lock(locks, ttl_seconds=0.3, wait_seconds=10.0) as waiter:
            assert waiter.outcome is Outcome.HELD

    async def test_outlives_a_wake_up_that_was_lost(self, locks, redis):
        holder, waiter = a_lock(locks), a_lock(locks, wait_seconds=60.0)
        await holder.__aenter__()
        waiting = asyncio.create_task(waiter.__aenter__())
        await throughout(lambda: not waiting.done(), seconds=0.1)

        await redis.delete(KEY)

        async with asyncio.timeout(10):
            await waiting
        assert waiter.outcome is Outcome.HELD
        await waiter.__aexit__(None, None, None)
        await holder.__aexit__(None, None, None)

    async def test_is_over_after_the_time_that_was_given(self, locks):
        async with a_lock(locks), a_lock(locks, wait_seconds=0.1) as waiter:
            assert waiter.outcome is Outcome.BUSY

    async def test_gives_everybody_a_turn_and_nobody_two_at_once(self, locks, redis):
        inside = most = turns = 0

        async def take_a_turn() -> None:
            nonlocal inside, most, turns
            async with a_lock(locks, wait_seconds=30.0) as held:
                assert held.outcome is Outcome.HELD
                inside += 1
                most = max(most, inside)
                await redis.ping()
                inside -= 1
                turns += 1

        await asyncio.gather(*(take_a_turn() for _ in range(40)))

        assert (most, turns) == (1, 40)

    async def test_asks_seldom(self, locks_on, own_redis):
        redis = own_redis.client()
        locks = locks_on(redis)
        given_up = asyncio.Event()

        async def wait() -> None:
            async with a_lock(locks, wait_seconds=1.2) as waiter:
                assert waiter.outcome is Outcome.BUSY
            given_up.set()

        async with a_lock(locks):
            await redis.config_resetstat()
            await asyncio.gather(*(wait() for _ in range(8)))
            await happens(given_up)
            asked = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

        # at first, twice a second, at the end
        assert asked <= 8 * 5


class TestALockOfAUserWithFewRights:
    async def test_needs_no_more_than_its_own_commands(self, locks_on, own_redis):
        rights = "~auth:* -@all +eval +evalsha +hget +hset +pttl +pexpire +del +rpush +blpop +incr +set +time"
        await own_redis.client().execute_command("ACL", "SETUSER", "locker", "on", ">secret", *rights.split())
        locks = locks_on(own_redis.client(username="locker", password="secret"))

        async with a_lock(locks) as holder, a_lock(locks, wait_seconds=0.2) as waiter:
            assert (holder.outcome, waiter.outcome) == (Outcome.HELD, Outcome.BUSY)

    async def test_is_skipped_where_it_has_none(self, locks_on, own_redis):
        await own_redis.client().execute_command(
            "ACL", "SETUSER", "stranger", "on", ">secret", "~other:*", "+@all"
        )
        locks = locks_on(own_redis.client(username="stranger", password="secret"))

        async with a_lock(locks) as skipped:
            assert skipped.outcome is Outcome.SKIPPED


async def only(redis, names: list[str]) -> bool:
    return await redis.keys("auth:lock*") == names
