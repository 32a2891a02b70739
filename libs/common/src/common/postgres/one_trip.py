"""A whole transaction in one round trip: begun, asked and committed at once (ADR 0026)."""

from collections.abc import Awaitable

from common.postgres import faults
from common.postgres.context import AsUser
from common.postgres.engine import Database
from common.postgres.pool import Pooled
from common.postgres.trip import Argument, Row


async def in_one_trip(database: Database, statement: str, *arguments: Argument, as_user: AsUser) -> list[Row]:
    """For what is asked for most: one statement, with `$1` and so on for its arguments.

    On a connection that ends before the answer it is carried out again: only for what may be repeated.
    """
    pooled = await _opened(database.pool.take())
    for may_be_dead in (True, False):
        try:
            rows = await pooled.driver.in_one_trip(database.service, as_user, statement, arguments)
        except BaseException as error:
            if may_be_dead and faults.is_disconnect(error):
                pooled = await _opened(database.pool.renew(pooled))
                continue
            database.pool.give_back(pooled)
            known = database.error_of(error, pooled)
            if known is None:
                raise
            # the driver's error quotes the row
            raise known from None
        database.pool.give_back(pooled)
        return rows
    raise AssertionError


async def _opened(opening: Awaitable[Pooled]) -> Pooled:
    try:
        return await opening
    except Exception as error:
        known = faults.at_begin(error)
        if known is None:
            raise
        raise known from error
