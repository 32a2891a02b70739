import inspect
import re

import pytest
from structlog.testing import capture_logs

from common.telemetry.logging import REQUEST_ID
from tests.support.pools import Server
from tests.support.waiting import eventually, throughout


@pytest.fixture
def server() -> Server:
    return Server()


def long_ones(logged: list[dict]) -> list[dict]:
    """Other lines may be those of what an earlier test has left running."""
    return [line for line in logged if line["event"] == "database.long_checkout"]


class TestLongCheckout:
    async def test_is_told_once_while_it_lasts_and_counted(self, server):
        pool = server.pool(long_checkout_seconds=0.02)
        with capture_logs() as logged:
            line = inspect.currentframe().f_lineno + 1
            held = await pool.take()
            await eventually(lambda: long_ones(logged))
            await throughout(lambda: len(long_ones(logged)) == 1, seconds=0.1)
            pool.give_back(held)

        [told] = long_ones(logged)
        assert told["log_level"] == "warning"
        assert re.search(rf"test_checkouts\.py:{line} TestLongCheckout\.test_is_told_once", told["where"])
        assert told["seconds"] >= 0
        assert pool.checkouts.long == 1

    async def test_is_told_in_the_words_of_the_request_that_took_it(self, server):
        pool = server.pool(long_checkout_seconds=0.02)
        token = REQUEST_ID.set("request-1")
        held = await pool.take()
        REQUEST_ID.reset(token)

        [(_, _, _, context)] = pool.checkouts._out.values()
        assert context[REQUEST_ID] == "request-1"
        pool.give_back(held)

    async def test_is_not_what_comes_back_in_time(self, server):
        pool = server.pool(long_checkout_seconds=0.05)
        with capture_logs() as logged:
            for _ in range(3):
                pool.give_back(await pool.take())
            await eventually(lambda: pool.checkouts._timer is None)

        assert (logged, pool.checkouts.long) == ([], 0)

    async def test_after_a_short_one_is_told_too(self, server):
        pool = server.pool(long_checkout_seconds=0.05)
        with capture_logs() as logged:
            short = await pool.take()
            held = await pool.take()
            pool.give_back(short)
            await eventually(lambda: logged)

        pool.give_back(held)
        assert len(logged) == 1


class TestCheckouts:
    async def test_know_where_each_was_taken(self, server):
        pool = server.pool()
        held = await pool.take()

        [where] = pool.checkouts.places
        assert "test_know_where_each_was_taken" in where
        pool.give_back(held)
        assert pool.checkouts.places == []

    async def test_add_up_for_how_long_connections_were_out(self, server):
        pool = server.pool()
        pool.give_back(await pool.take())
        after_one = pool.checkouts.busy_seconds
        held = await pool.take()

        assert 0 < after_one < pool.checkouts.busy_seconds
        pool.give_back(held)
        ended = pool.checkouts.busy_seconds
        assert pool.checkouts.busy_seconds == ended

    async def test_of_a_renewed_connection_are_one(self, server):
        pool = server.pool()

        fresh = await pool.renew(await pool.take())

        assert len(pool.checkouts.places) == 1
        pool.give_back(fresh)
        assert pool.checkouts.places == []
