import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, cast

import asyncpg

from common.postgres.context import AsUser, begin_statement
from common.postgres.statement_names import Naming, StatementNames
from common.postgres.timeouts import BEGIN_SECONDS, COMMAND_SECONDS, COMMIT_SECONDS, ROLLBACK_SECONDS
from common.postgres.trip import Found, Row, Step, Trip, becoming, trip_message

_MOST_DESCRIBED: Final = 512
_NOT_KNOWN: Final = (asyncpg.InvalidSQLStatementNameError, asyncpg.FeatureNotSupportedError)
"""The server has no statement of that name, or one whose result has other types since a migration."""


class TransactionAbortedError(Exception):
    """A statement had failed, its error was swallowed, and the server answered COMMIT with a rollback."""


class ContextConnection(asyncpg.Connection):
    """A connection whose transactions say as whom they run before anything else can be said."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._names = StatementNames()
        self._described: dict[object, Any] = {}
        self._service = ""
        self._is_open = False
        self._put_off: list[Step] = []
        self.found_first: list[list[Row]] = []
        """By the steps that its transaction was begun with."""

    async def begin(self, service: str, as_user: AsUser, first: Sequence[Step] = ()) -> None:
        """One round trip. After a failure or cancellation the connection is gone: nobody knows its state."""
        self._service, self._put_off, self.found_first = service, [], []
        try:
            if first:
                steps = (Step("BEGIN", ()), becoming(service, as_user), *first)
                self.found_first = (await self._trip(service, steps, Naming.NONE)).rows[2:]
            else:
                await super().execute(begin_statement(service, as_user), timeout=BEGIN_SECONDS)
        except BaseException as error:
            if first and isinstance(error, asyncpg.PostgresError):
                # of a step, which may have waited for others: the connection is as good as before
                with suppress(Exception):
                    await self.roll_back()
            else:
                self.terminate()
            raise
        self._is_open = True

    async def commit(self) -> None:
        try:
            if self._put_off:
                answer = (await self._ask(Step("COMMIT", ()))).tag
            else:
                answer = await super().execute("COMMIT", timeout=COMMIT_SECONDS)
        except asyncpg.PostgresError:
            with suppress(Exception):
                await self.roll_back()
            raise
        except BaseException:
            self.terminate()
            raise
        self._is_open = False
        if answer != "COMMIT":
            raise TransactionAbortedError(answer)

    async def roll_back(self) -> None:
        self._put_off = []
        try:
            await super().execute("ROLLBACK", timeout=ROLLBACK_SECONDS)
        except BaseException:
            self.terminate()
            raise
        self._is_open = False

    def is_in_transaction(self) -> bool:
        """The driver's protocol does not hear how trips end."""
        return self._is_open

    def put_off(self, step: Step) -> None:
        """It leaves with the next statement, or with COMMIT; so does what it fails with."""
        self._put_off.append(step)

    async def ask(self, *steps: Step) -> list[list[Row]]:
        """In one trip within a transaction: what was put off, and these; what each of these found.

        Each sees what others had committed before it began, as if it were sent alone.
        """
        return (await self._ask(*steps)).rows[-len(steps) :]

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        await self._ask_what_was_put_off()
        return await super().execute(query, *args, timeout=timeout)

    async def in_one_trip(self, service: str, steps: Sequence[Step]) -> list[Row]:
        """What the last step found.

        After the server's own error the connection is as before; after anything else it is gone.
        """
        meant = tuple((step.statement, step.role(service)) for step in steps)
        naming = self._names.naming(meant)
        if naming is Naming.KNOWN:
            try:
                found = await self._trip(service, steps, naming)
            except _NOT_KNOWN:
                naming = self._names.missed()
            else:
                self._names.met()
                return found.rows[-1]
        found = await self._trip(service, steps, naming)
        self._names.named(meant)
        return found.rows[-1]

    async def _ask(self, *steps: Step) -> Found:
        # a name that this server does not know would end the transaction: they go without
        put_off, self._put_off = self._put_off, []
        return await self._trip(self._service, (*put_off, *steps), Naming.NONE)

    async def _ask_what_was_put_off(self) -> None:
        if self._put_off:
            await self._ask()

    async def _trip(self, service: str, steps: Sequence[Step], naming: Naming) -> Found:
        self._check_open()
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

    async def _get_statement(
        self,
        query: str,
        timeout: float | None,
        *,
        named: str | bool | None = False,
        use_cache: bool = True,
        ignore_custom_codec: bool = False,
        record_class: type | None = None,
    ) -> Any:
        """What a statement takes and gives is asked once; after that it is parsed and run in one trip.

        Without its cache the driver asks each time, and has it parsed once more to run it. Nothing is kept on
        a server. What a statement gives does not change: migrations alter no column's type.
        """
        await self._ask_what_was_put_off()
        key = (query, ignore_custom_codec, record_class)
        has_names = bool(named) or self._stmt_cache_enabled
        if not has_names and key in self._described:
            return self._described[key]
        statement = await super()._get_statement(
            query,
            timeout,
            named=named,
            # SQLAlchemy asks without the cache, because it has one of its own, which is off
            use_cache=use_cache or named is True,
            ignore_custom_codec=ignore_custom_codec,
            record_class=record_class,
        )
        if not has_names:
            if len(self._described) == _MOST_DESCRIBED:
                del self._described[next(iter(self._described))]
            self._described[key] = statement
        return statement

    def _drop_local_statement_cache(self) -> None:
        self._described.clear()
        super()._drop_local_statement_cache()
