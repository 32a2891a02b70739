from common.postgres.context import Context
from tests.support.leaks import checked_out, open_transactions
from tests.support.waiting import eventually


class TestLeakDetector:
    async def test_sees_a_connection_that_is_out_and_where_it_was_taken(self, database, superuser):
        transaction = database.transaction(as_user=Context.SYSTEM)
        await transaction.__aenter__()

        [found] = checked_out([database.pool])
        assert "test_sees_a_connection_that_is_out" in found
        await transaction.__aexit__(None, None, None)
        assert checked_out([database.pool]) == []

    async def test_sees_an_open_transaction(self, database, superuser):
        async with database.transaction(as_user=Context.SYSTEM):
            [found] = await open_transactions(superuser)

        assert "auth_worker is idle in transaction: BEGIN; SET LOCAL ROLE" in found
        await eventually(lambda: _none(superuser))

    async def test_sees_a_place_that_nothing_fills(self, database):
        await database.pool._take_place()

        assert checked_out([database.pool]) == ["1 places are taken by no connection"]
        database.pool._leave_place()

    def test_watches_every_pool_of_a_test(self, database, pools_made):
        assert database.pool in pools_made


async def _none(superuser) -> bool:
    return await open_transactions(superuser) == []
