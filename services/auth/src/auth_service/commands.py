"""What auth's commands have in common: one transaction, with the worker's environment; lines to print."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from auth_service.settings import AuthWorkerSettings
from common.errors import QuartetError
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from common.settings_errors import load
from common.starting import go_on

Work = Callable[[Transaction, AuthWorkerSettings], Awaitable[list[str]]]


class RefusedError(Exception):
    """What was asked for cannot be done; the message is for whoever asked."""


async def run(name: str, work: Work, settings: AuthWorkerSettings) -> list[str]:
    """Lines to print."""
    database = Database(settings.database, service="auth", application_name=f"auth-{name}")
    try:
        async with database.transaction(as_user=Context.SYSTEM) as tx:
            return await work(tx, settings)
    finally:
        await database.close()


def carry_out(name: str, work: Work) -> None:
    """1 when it cannot be done; argparse has ended with 2 before when it was asked for in a wrong way."""
    go_on()
    try:
        lines = asyncio.run(run(name, work, load(AuthWorkerSettings)))
    except RefusedError as error:
        sys.exit(str(error))
    except QuartetError as error:
        sys.exit(f"{error.code}: {error.detail}")
    for line in lines:
        sys.stdout.write(f"{line}\n")
