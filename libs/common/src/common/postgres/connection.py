import asyncpg

from common.postgres.context import AsUser, begin_statement
from common.postgres.timeouts import BEGIN_SECONDS, COMMIT_SECONDS, ROLLBACK_SECONDS


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
