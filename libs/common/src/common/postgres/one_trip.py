"""A whole transaction in one round trip: begun, asked and committed at once (ADR 0026)."""

from collections.abc import Awaitable, Collection, Sequence

from common.postgres import faults
from common.postgres.context import AsUser
from common.postgres.engine import Database
from common.postgres.pool import Pooled
from common.postgres.trip import Argument, Row, Step


async def in_one_trip(
    database: Database,
    statement: str,
    *arguments: Argument,
    as_user: AsUser,
    first: Sequence[Step] = (),
    repeatable: bool = True,
    changes: Collection[str] = (),
) -> list[Row]:
    """For what is asked for most: one statement, with `$1` and so on for its arguments.

    `first` is carried out before it, for what it leaves behind for this one; its rows are not told.
    On a connection that ends before the answer it is carried out again, or told as unavailable when it is not
    `repeatable`. `changes` is what `changed()` is in a transaction.
    """
    try:
        return await _answered(
            database, (*first, Step(statement, arguments, as_user)), attempts=2 if repeatable else 1
        )
    finally:
        # what was never answered may have been carried out all the same
        await database.tell_changed(changes)


async def _answered(database: Database, steps: Sequence[Step], *, attempts: int) -> list[Row]:
    pooled = await _opened(database.pool.take())
    for attempt in range(1, attempts + 1):
        try:
            rows = await pooled.driver.in_one_trip(database.service, steps)
        except BaseException as error:
            if attempt < attempts and faults.is_disconnect(error):
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
