import asyncio
from collections.abc import Sequence
from typing import cast

import asyncpg

from common.postgres.context import AsUser, begin_statement
from common.postgres.timeouts import BEGIN_SECONDS, COMMAND_SECONDS, COMMIT_SECONDS, ROLLBACK_SECONDS
from common.postgres.trip import Argument, Row, Trip, trip_message


class TransactionAbortedError(Exception):
    """A statement had failed, its error was swallowed, and the server answered COMMIT with a rollback."""


class ContextConnection(asyncpg.Connection):
    """A connection whose transactions say as whom they run before anything else can be said."""

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

    async def in_one_trip(
        self, service: str, as_user: AsUser, statement: str, arguments: Sequence[Argument]
    ) -> list[Row]:
        """After the server's own error the connection is as before; after anything else it is gone."""
        driver, transport = cast("asyncio.Protocol", self._protocol), self._transport
        trip = Trip(driver, self._loop.create_future())
        late = self._loop.call_later(COMMAND_SECONDS, trip.give_up)
        transport.set_protocol(trip)
        try:
            transport.write(trip_message(service, as_user, statement, arguments))
            return await trip.ended
        except asyncpg.PostgresError:
            raise
        except BaseException:
            self.terminate()
            raise
        finally:
            late.cancel()
            transport.set_protocol(driver)
