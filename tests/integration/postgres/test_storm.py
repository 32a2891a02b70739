import asyncio
import os

from tests.support.campaign import chosen_seed
from tests.support.storm import CANCELLED_OF_A_HUNDRED, Storm
from tests.support.waiting import eventually

REQUESTS = int(
    os.environ.get("QUARTET_TEST_REQUESTS") or (1_000_000 if os.environ.get("QUARTET_TEST_LONG") else 2_000)
)

_LEFT = """
select count(*) from pg_stat_activity
where datname = current_database() and usename = 'auth_api' and xact_start is not null
"""


class TestCancelledRequests:
    async def test_by_the_thousand_leak_no_connection_and_no_transaction(self, pools, superuser):
        database, seed = pools("api", pool_wait_seconds=30.0), chosen_seed()
        storm = Storm(database, seed=seed)

        async with asyncio.timeout(REQUESTS / 20):
            await storm.blow(REQUESTS)

        told = f"seed {seed}: {dict(storm.ended)}"
        pool = database.pool
        await eventually(lambda: pool.checked_out == 0)
        assert await eventually(lambda: none_left(superuser)), told
        assert (pool.waiting, pool.overflow, pool.checkouts.places) == (0, 0, []), told
        assert pool.idle <= pool.size, told
        assert storm.ended.total() == REQUESTS
        assert storm.ended["cancelled"] > REQUESTS * CANCELLED_OF_A_HUNDRED / 200, told
        assert storm.ended.keys() - {"503"} == {"200", "409", "cancelled"}, told
        # a machine that is slow for a moment is answered so, and that leaves nothing behind either
        assert storm.ended["503"] <= REQUESTS / 1_000, told
        print(f"{REQUESTS:,} requests, {told}, connections opened: {pool.opened}")  # noqa: T201 - shown with -s


async def none_left(superuser) -> bool:
    return await superuser.fetchval(_LEFT) == 0
