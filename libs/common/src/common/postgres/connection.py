import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

import asyncpg

from common.postgres.context import AsUser, begin_statement, role_name
from common.postgres.statement_names import Naming, StatementNames
from common.postgres.timeouts import BEGIN_SECONDS, COMMAND_SECONDS, COMMIT_SECONDS, ROLLBACK_SECONDS
from common.postgres.trip import Row, Step, Trip, trip_message

_NOT_KNOWN: Final = (asyncpg.InvalidSQLStatementNameError, asyncpg.FeatureNotSupportedError)
"""The server has no statement of that name, or one whose result has other types since a migration."""


class TransactionAbortedError(Exception):
    """A statement had failed, its error was swallowed, and the server answered COMMIT with a rollback."""


class ContextConnection(asyncpg.Connection):
    """A connection whose transactions say as whom they run before anything else can be said."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._names = StatementNames()

    async def begin(self, service: str, as_user: AsUser) -> None:
        """One round trip. After a failure or cancellation the connection is gone: nobody knows its state."""
        try:
            await self.execute(begin_statement(service, as_user), timeout=BEGIN_SECONDS)
        except BaseException:
            self.terminate()
            raise

    async def commit(self) -> None:
        try:
            answer = await self.execute("COMMIT", timeout=COMMIT_SECONDS)
        except BaseException:
            self.terminate()
            raise
        if answer != "COMMIT":
            raise TransactionAbortedError(answer)

    async def roll_back(self) -> None:
        try:
            await self.execute("ROLLBACK", timeout=ROLLBACK_SECONDS)
        except BaseException:
            self.terminate()
            raise

    async def in_one_trip(self, service: str, steps: Sequence[Step]) -> list[Row]:
        """What the last step found.

        After the server's own error the connection is as before; after anything else it is gone.
        """
        meant = tuple((step.statement, role_name(service, step.as_user)) for step in steps)
        naming = self._names.naming(meant)
        if naming is Naming.KNOWN:
            try:
                rows = await self._trip(service, steps, naming)
            except _NOT_KNOWN:
                naming = self._names.missed()
            else:
                self._names.met()
                return rows
        rows = await self._trip(service, steps, naming)
        self._names.named(meant)
        return rows

    async def _trip(self, service: str, steps: Sequence[Step], naming: Naming) -> list[Row]:
        driver, transport = cast("asyncio.Protocol", self._protocol), self._transport
        trip = Trip(driver, self._loop.create_future(), steps)
        late = self._loop.call_later(COMMAND_SECONDS, trip.give_up)
        transport.set_protocol(trip)
        try:
            transport.write(trip_message(service, steps, naming))
            return await trip.ended
        except asyncpg.PostgresError:
            raise
        except BaseException:
            self.terminate()
            raise
        finally:
            late.cancel()
            transport.set_protocol(driver)
