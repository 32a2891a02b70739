"""Statements that share a trip within a transaction (ADR 0026)."""

from common.postgres.engine import Transaction, driver_of
from common.postgres.trip import Row, Step


async def ask(tx: Transaction, *steps: Step) -> list[list[Row]]:
    """What each found; each sees what others had committed before it began, as if it were sent alone."""
    return await driver_of(tx).ask(*steps)


def found_first(tx: Transaction) -> list[list[Row]]:
    """What those found that the transaction was begun with."""
    return driver_of(tx).found_first


def put_off(tx: Transaction, step: Step) -> None:
    """For what answers nothing: it leaves with the next statement or with COMMIT, and fails there."""
    driver_of(tx).put_off(step)
