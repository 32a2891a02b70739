"""The database as a service sees it: transactions that say as whom they run, and nothing outside of one."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, TypeVar, cast

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from common.errors import QuartetError
from common.postgres import faults
from common.postgres.connection import ContextConnection
from common.postgres.constraints import NO_CONSTRAINTS, Constraints
from common.postgres.context import AsUser, Context
from common.postgres.pool import Pool, Pooled
from common.postgres.timeouts import BEGIN_SECONDS, COMMAND_SECONDS, CONNECT_SECONDS
from common.postgres.trip import Step
from common.postgres.url import Surroundings, fix_async_database_url
from common.settings import DatabaseSettings

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger(__name__)

T = TypeVar("T")
Transaction = AsyncConnection
"""SQLAlchemy Core on one connection, between our BEGIN and our COMMIT."""

_WAKE: Final = "quartet.wake_after_commit"
_CHANGED: Final = "quartet.changed"
_DRIVER: Final = "quartet.driver"
_ATTEMPTS: Final = 4
_FIRST_PAUSE_SECONDS: Final = 0.02


def wake_after_commit(tx: Transaction, name: str) -> None:
    """Says who may look for work as soon as this transaction is visible; forgotten when it is rolled back."""
    tx.info.setdefault(_WAKE, {})[name] = None


def changed(tx: Transaction, name: str) -> None:
    """Says what has another version now: who knows the older one forgets it before anybody is answered."""
    tx.info.setdefault(_CHANGED, {})[name] = None


def driver_of(tx: Transaction) -> ContextConnection:
    return tx.info[_DRIVER]


class Database:
    """Lazy: nothing connects before the first transaction."""

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        service: str,
        application_name: str,
        constraints: Constraints = NO_CONSTRAINTS,
        on_commit: Callable[[Sequence[str]], None] | None = None,
        on_change: Callable[[frozenset[str]], Awaitable[None]] | None = None,
    ) -> None:
        self.service: Final = service
        self._constraints = constraints
        self._on_commit = on_commit
        self._on_change = on_change
        self._engine = _engine(settings, service, application_name)
        self._first_connect = asyncio.Lock()
        self.pool: Final = Pool(
            self._open,
            size=settings.pool_size,
            wait_seconds=settings.pool_wait_seconds,
            recycle_seconds=settings.recycle_seconds,
            overflow=settings.overflow,
            long_checkout_seconds=settings.long_checkout_seconds,
        )

    def transaction(
        self, *, as_user: AsUser, first: Sequence[Step] = ()
    ) -> AbstractAsyncContextManager[Transaction]:
        """Commits when its block ends, rolls back when it raises or is cancelled.

        `first` leaves with BEGIN, in its trip; what it finds is `asking.found_first`.
        """
        return _InTransaction(self, as_user, first)

    def read_transaction(
        self, *, as_user: AsUser, first: Sequence[Step] = ()
    ) -> AbstractAsyncContextManager[ContextConnection]:
        """The same transaction on the driver's own connection, for reads that are asked for often."""
        return _InDriverTransaction(self, as_user, first)

    async def in_transaction(self, as_user: AsUser, use_case: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs the use case again, from its beginning, when others were changing the same rows."""
        attempt = 1
        while True:
            try:
                async with self.transaction(as_user=as_user) as tx:
                    return await use_case(tx)
            except QuartetError as error:
                if error.code != faults.CONTENTION or attempt == _ATTEMPTS:
                    raise
            # a random part keeps the two that met from meeting again
            await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt * random.random())  # noqa: S311 - no secret
            attempt += 1

    async def close(self) -> None:
        await self.pool.close()
        await self._engine.dispose()

    async def begin(self, as_user: AsUser, first: Sequence[Step] = ()) -> Pooled:
        """Sends BEGIN at once: a dead connection is found here, where a new one can still take its place."""
        pooled = await self._take()
        try:
            await pooled.driver.begin(self.service, as_user, first)
        except BaseException as error:
            if faults.is_disconnect(error) and pooled.driver.is_closed():
                return await self._begin_anew(pooled, as_user, first)
            self.pool.give_back(pooled)
            self._raise_known(error)
            raise
        return pooled

    async def commit(self, pooled: Pooled) -> None:
        wake, changes = _named(pooled, _WAKE), _named(pooled, _CHANGED)
        try:
            await pooled.driver.commit()
        except Exception as error:
            known = faults.translated(error, self._constraints, closed=True)
            if known is None:
                raise
            raise known from None
        finally:
            self._give_back(pooled)
            # a commit that failed may have happened all the same
            await self.tell_changed(changes or ())
        if wake and self._on_commit is not None:
            try:
                self._on_commit(tuple(wake))
            except Exception as error:  # noqa: BLE001 - committed is committed; who waits for the hint polls
                _log.warning("database.wake_failed", error=type(error).__name__)

    async def tell_changed(self, names: Collection[str]) -> None:
        if names and self._on_change is not None:
            await self._on_change(frozenset(names))

    async def roll_back(self, pooled: Pooled) -> None:
        """Goes on when the caller is cancelled meanwhile; a rollback that fails ends the connection."""
        await asyncio.shield(self.pool.in_background(self._roll_back(pooled)))

    def error_of(self, error: BaseException, pooled: Pooled) -> QuartetError | None:
        return faults.translated(error, self._constraints, closed=pooled.driver.is_closed())

    async def _take(self) -> Pooled:
        try:
            return await self.pool.take()
        except Exception as error:
            self._raise_known(error)
            raise

    async def _begin_anew(self, dead: Pooled, as_user: AsUser, first: Sequence[Step]) -> Pooled:
        try:
            pooled = await self.pool.renew(dead)
        except Exception as error:
            self._raise_known(error)
            raise
        try:
            await pooled.driver.begin(self.service, as_user, first)
        except BaseException as error:
            self.pool.give_back(pooled)
            self._raise_known(error)
            raise
        return pooled

    def _raise_known(self, error: BaseException) -> None:
        known = faults.at_begin(error)
        if known is not None:
            raise known from error

    async def _roll_back(self, pooled: Pooled) -> None:
        _named(pooled, _WAKE)
        _named(pooled, _CHANGED)
        try:
            if not pooled.driver.is_closed():
                await pooled.driver.roll_back()
        except Exception:  # noqa: BLE001, S110 - the connection is terminated, and its transaction with it
            pass
        finally:
            self._give_back(pooled)

    def _give_back(self, pooled: Pooled) -> None:
        # SQLAlchemy believes in a transaction of its own, which AUTOCOMMIT makes a matter of memory only
        sync = pooled.connection.sync_connection
        if sync is not None and sync.in_transaction() and not sync.invalidated:
            sync.rollback()
        self.pool.give_back(pooled)

    async def _open(self) -> Pooled:
        # the driver's own limit comes first: a cancelled SQLAlchemy leaves the socket to the collector
        async with asyncio.timeout(CONNECT_SECONDS + BEGIN_SECONDS):
            if self.pool.opened:
                return await self._connect()
            # the dialect asks the server for its version once, and is not to be used meanwhile
            async with self._first_connect:
                return await self._connect()

    async def _connect(self) -> Pooled:
        connection = await self._engine.connect()
        raw = await connection.get_raw_connection()
        driver = connection.info[_DRIVER] = cast("ContextConnection", raw.driver_connection)
        return Pooled(connection, driver)


def _named(pooled: Pooled, what: str) -> dict[str, None] | None:
    """Once. SQLAlchemy invalidates a connection whose statement is cancelled, and then refuses `info`."""
    sync = pooled.connection.sync_connection
    return None if sync is None or sync.invalidated else sync.info.pop(what, None)


class _InTransaction:
    __slots__ = ("_as_user", "_database", "_first", "_pooled")

    def __init__(self, database: Database, as_user: AsUser | None, first: Sequence[Step]) -> None:
        if as_user is None:
            raise TypeError("a transaction says as whom it runs: as_user is a user's id or a Context")
        self._database = database
        self._as_user: AsUser = as_user
        self._first = first
        self._pooled: Pooled | None = None

    async def __aenter__(self) -> Any:
        self._pooled = await self._database.begin(self._as_user, self._first)
        return self._pooled.connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pooled, self._pooled = cast("Pooled", self._pooled), None
        if error is None:
            await self._database.commit(pooled)
            return
        known = self._database.error_of(error, pooled)
        await self._database.roll_back(pooled)
        if known is not None:
            # the driver's error quotes the statement and the row: it stays out of what is logged
            raise known from None


class _InDriverTransaction(_InTransaction):
    __slots__ = ()

    async def __aenter__(self) -> Any:
        self._pooled = await self._database.begin(self._as_user, self._first)
        return self._pooled.driver


def _engine(settings: DatabaseSettings, service: str, application_name: str) -> AsyncEngine:
    around = Surroundings(service, settings.certificates)
    url, arguments = fix_async_database_url(settings.url.get_secret_value(), around)
    arguments["server_settings"] = {"application_name": application_name} | arguments["server_settings"]
    # it would pass by the driver when it knows a statement, and what was put off would stay behind
    arguments["prepared_statement_cache_size"] = 0
    if settings.pooler in ("auto", "transaction") and not settings.prepared_statements:
        # through a transaction pooler a named statement may belong to another client's query: with either
        # cache on, rows of the wrong query come back without an error
        arguments["statement_cache_size"] = 0
        arguments["prepared_statement_name_func"] = lambda: ""
    return create_async_engine(
        url,
        poolclass=sa.NullPool,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={
            **arguments,
            "connection_class": ContextConnection,
            "timeout": CONNECT_SECONDS,
            "command_timeout": COMMAND_SECONDS,
        },
    )


__all__ = ["AsUser", "Constraints", "Context", "Database", "Transaction", "changed", "wake_after_commit"]
