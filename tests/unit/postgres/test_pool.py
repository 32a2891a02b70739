import asyncio

import pytest

from common.errors import Kind, QuartetError
from tests.support.pools import Server
from tests.support.waiting import eventually


@pytest.fixture
def server() -> Server:
    return Server()


class TestPool:
    async def test_opens_nothing_before_it_is_asked(self, server):
        pool = server.pool()

        assert (server.opened, pool.checked_out, pool.idle) == ([], 0, 0)

    async def test_gives_the_newest_idle_connection_first(self, server):
        pool = server.pool()
        older, newer = await pool.take(), await pool.take()
        pool.give_back(older)
        pool.give_back(newer)

        assert await pool.take() is newer

    async def test_opens_no_more_than_its_size_and_serves_in_the_order_of_asking(self, server):
        pool = server.pool(size=1)
        held = await pool.take()
        served: list[int] = []

        async def ask(number: int) -> None:
            pooled = await pool.take()
            served.append(number)
            pool.give_back(pooled)

        asking = [asyncio.create_task(ask(number)) for number in range(5)]
        await eventually(lambda: pool.waiting == 5)
        pool.give_back(held)
        await asyncio.gather(*asking)

        assert served == [0, 1, 2, 3, 4]
        assert (len(server.opened), pool.checked_out, pool.waits) == (1, 0, 5)

    async def test_keeps_all_that_come_back_before_the_one_who_waited_runs(self, server):
        pool = server.pool(size=2)
        held = [await pool.take(), await pool.take()]
        waiting = asyncio.create_task(pool.take())
        await eventually(lambda: pool.waiting == 1)

        for pooled in held:
            pool.give_back(pooled)
        pool.give_back(await waiting)

        assert (len(server.opened), pool.idle, pool.checked_out) == (2, 2, 0)

    async def test_says_when_to_come_again_if_no_place_comes_free(self, server):
        pool = server.pool(size=1, wait_seconds=0.02)
        await pool.take()

        with pytest.raises(QuartetError) as refused:
            await pool.take()

        assert (refused.value.code, refused.value.kind) == ("database.pool_exhausted", Kind.UNAVAILABLE)
        assert refused.value.retry_after_seconds
        assert (pool.waiting, pool.checked_out) == (0, 1)

    async def test_gives_the_place_of_a_cancelled_waiter_to_the_next(self, server):
        pool = server.pool(size=1)
        held = await pool.take()
        first, second = asyncio.create_task(pool.take()), asyncio.create_task(pool.take())
        await eventually(lambda: pool.waiting == 2)

        pool.give_back(held)
        first.cancel()

        pool.give_back(await second)
        assert (first.cancelled(), pool.checked_out, pool.idle) == (True, 0, 1)

    async def test_gives_a_place_back_when_no_connection_can_be_opened(self, server):
        pool = server.pool(size=1)
        server.fault = OSError("no route")

        with pytest.raises(OSError, match="no route"):
            await pool.take()

        await eventually(lambda: pool.checked_out == 0)
        server.fault = None
        assert await pool.take()

    async def test_keeps_what_was_being_opened_for_a_cancelled_caller(self, server):
        pool = server.pool(size=1)
        server.may_answer.clear()
        asking = asyncio.create_task(pool.take())
        await eventually(lambda: pool.checked_out == 1)

        asking.cancel()
        server.may_answer.set()

        await eventually(lambda: pool.idle == 1)
        assert (pool.checked_out, len(server.opened)) == (0, 1)

    async def test_does_not_give_out_what_is_closed_or_too_old(self, server):
        pool = server.pool(recycle_seconds=0.0)
        old = await pool.take()
        pool.give_back(old)

        fresh = await pool.take()

        assert fresh is not old
        await eventually(old.driver.is_closed)

    async def test_renews_a_dead_connection_and_mistrusts_the_idle_ones(self, server):
        pool = server.pool(size=3)
        dead, idle = await pool.take(), await pool.take()
        pool.give_back(idle)

        fresh = await pool.renew(dead)

        assert fresh not in (dead, idle)
        assert (pool.idle, pool.checked_out) == (0, 1)
        await eventually(lambda: dead.driver.is_closed() and idle.driver.is_closed())

    async def test_closes_idle_connections_now_and_the_others_when_they_come_back(self, server):
        pool = server.pool()
        held, idle = await pool.take(), await pool.take()
        pool.give_back(idle)

        await pool.close()
        assert (idle.driver.is_closed(), held.driver.is_closed()) == (True, False)

        pool.give_back(held)
        await eventually(held.driver.is_closed)
        with pytest.raises(QuartetError, match=r"database\.closed"):
            await pool.take()

    async def test_cuts_off_what_is_still_in_a_transaction(self, server):
        pool = server.pool()
        dead = await pool.take()
        dead.driver.in_transaction = True

        await pool.renew(dead)

        await eventually(lambda: dead.driver.terminated)


class TestOverflow:
    async def test_opens_more_when_all_are_in_use_and_no_more_than_it_may(self, server):
        pool = server.pool(size=1, overflow=1, wait_seconds=0.02)
        [await pool.take() for _ in range(2)]

        with pytest.raises(QuartetError, match=r"database\.pool_exhausted"):
            await pool.take()

        assert (len(server.opened), pool.checked_out, pool.overflow) == (2, 2, 1)

    async def test_is_closed_after_use(self, server):
        pool = server.pool(size=1, overflow=1)
        first, second = await pool.take(), await pool.take()

        pool.give_back(first)
        pool.give_back(second)

        await eventually(first.driver.is_closed)
        assert (pool.idle, pool.overflow, second.driver.is_closed()) == (1, 0, False)

    async def test_goes_to_the_one_who_waits(self, server):
        pool = server.pool(size=1, overflow=1)
        first, _second = await pool.take(), await pool.take()
        third = asyncio.create_task(pool.take())
        await eventually(lambda: pool.waiting == 1)

        pool.give_back(first)

        assert await third is first
        assert len(server.opened) == 2


class TestWaitingTimes:
    async def test_count_those_who_waited_and_those_who_did_not(self, server):
        pool = server.pool(size=1, wait_seconds=0.02)
        await pool.take()

        with pytest.raises(QuartetError):
            await pool.take()

        times = pool.waiting_times
        assert (times.waits, sum(times.counts), times.counts[0]) == (1, 2, 1)
        assert times.seconds >= 0.02
