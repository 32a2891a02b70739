"""A model of PostgreSQL: READ COMMITTED transactions, row and advisory locks, statements taught one by one.

A statement is a generator function `(tx, arguments) -> rows`; where the server would wait for another
transaction it yields that transaction and is continued after its end. `PostgresModel.teach` binds it to the
text that the project's code executes, so the code runs unchanged and a changed text is a text not known here.
"""

import asyncio
from collections.abc import Callable, Generator, Iterable, Sequence
from enum import IntEnum
from functools import cache
from itertools import count
from typing import Any, Self

from common.errors import Kind, QuartetError, unavailable
from common.postgres.engine import _DRIVER, _WAKE
from common.postgres.timeouts import IDLE_IN_TRANSACTION_SECONDS, STATEMENT_SECONDS
from common.postgres.trip import Step
from tests.simulation.network import Network
from tests.simulation.world import Process, World

Waits = Generator["ModelTransaction", None, Any]
Statement = Callable[["ModelTransaction", Any], Waits]
Name = tuple[str, Any]

_DELETED = object()


class Mode(IntEnum):
    KEY_SHARE = 1
    NO_KEY_UPDATE = 2
    UPDATE = 3

    def conflicts(self, other: "Mode") -> bool:
        return self + other >= 4


class Row(tuple[Any, ...]):
    """By number, by name and as an attribute, as both drivers have it."""

    __slots__ = ()
    names: dict[str, int]

    def __getitem__(self, name: Any) -> Any:
        return tuple.__getitem__(self, self.names[name] if isinstance(name, str) else name)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@cache
def _kind(names: str) -> type[Row]:
    return type("Row", (Row,), {"__slots__": (), "names": {n: i for i, n in enumerate(names.split())}})


def rows(names: str, values: Iterable[tuple[Any, ...]]) -> list[Row]:
    kind = _kind(names)
    return [kind(each) for each in values]


class Result(list[Row]):
    @property
    def rowcount(self) -> int:  # a model answers a row for each row that it has changed
        return len(self)

    def first(self) -> Row | None:
        return self[0] if self else None

    def one(self) -> Row:
        (row,) = self
        return row

    def scalars(self) -> list[Any]:
        return [row[0] for row in self]

    def scalar(self) -> Any:
        return self[0][0] if self else None

    scalar_one = scalar

    def all(self) -> list[Row]:
        return self

    def mappings(self) -> list[dict[str, Any]]:
        return [{name: row[number] for name, number in row.names.items()} for row in self]


class PostgresModel:
    def __init__(self, world: World, network: Network) -> None:
        self.world = world
        self.network = network
        self.tables: dict[str, dict[Any, Any]] = {}
        self.open: list[ModelTransaction] = []
        self.statements: dict[str, Statement] = {}
        self.started = 0
        """How often: what tells one run of the server from the next."""
        self.names = map(str, count())
        self._numbers = 0

    def teach(self, statements: dict[Any, Statement]) -> None:
        self.statements.update({text_of(statement): model for statement, model in statements.items()})

    def table(self, name: str) -> dict[Any, Any]:
        """What is committed."""
        return self.tables.setdefault(name, {})

    def next_number(self) -> int:
        """Of a sequence: drawn for good, whatever becomes of the transaction."""
        self._numbers += 1
        return self._numbers

    def restart(self) -> None:
        self.world.note("postgres", "restarts")
        self.started += 1
        for tx in list(self.open):
            tx.abort()

    def database(self, process: Process, *, service: str = "simulated") -> "ModelDatabase":
        database = ModelDatabase(self, process, service)
        process.on_crash(database.abandon)
        return database


class ModelDatabase:
    """What `common.postgres.engine.Database` is to the code."""

    def __init__(self, model: PostgresModel, process: Process, service: str) -> None:
        self._model = model
        self._process = process
        self.service = service
        self.on_commit: Callable[[], None] | None = None

    def transaction(self, *, as_user: object, first: Sequence[Step] = ()) -> "ModelTransaction":
        tx = ModelTransaction(self._model, self._process, self)
        tx.put_off(*first)
        return tx

    read_transaction = transaction

    async def in_transaction(self, as_user: object, use_case: Callable[[Any], Any]) -> Any:
        for attempt in range(1, 5):
            try:
                async with self.transaction(as_user=as_user) as tx:
                    return await use_case(tx)
            except QuartetError as error:
                if error.code != "database.contention" or attempt == 4:
                    raise
            await asyncio.sleep(0.02 * 2**attempt * self._process.random.random())
        return None

    def abandon(self) -> None:
        """The process is gone, and the server hears of it."""
        for tx in list(self._model.open):
            if tx.process is self._process:
                tx.abort()


class ModelTransaction:
    def __init__(self, model: PostgresModel, process: Process, database: ModelDatabase) -> None:
        self.model = model
        self.process = process
        self.info: dict[str, Any] = {_DRIVER: self}
        self.notes: dict[str, Any] = {}
        """Of the statements, for what they assert."""
        self.on_commit: Callable[[], None] | None = None
        """For what a scenario asserts: called in the moment in which the transaction becomes visible."""
        self.now = 0.0
        self.name = next(model.names)
        self._database = database
        self._state = "new"
        self._writes: dict[Name, Any] = {}
        self._locks: dict[Name, Mode] = {}
        self._waits_for: ModelTransaction | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._active_at = 0.0
        self._put_off: list[Step] = []

    # what code calls

    async def __aenter__(self) -> Self:
        await self.model.network.answer()
        self.now = self._active_at = self.model.world.now
        self._state = "open"
        self.model.open.append(self)
        self.found_first = await self.ask()
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.abort()
            return
        try:
            await self._send_commit()
        except BaseException:
            # as the engine does: a connection whose COMMIT was cancelled or not answered is terminated
            self.abort()
            raise
        if _WAKE in self.info and self._database.on_commit is not None:
            self._database.on_commit()

    async def _send_commit(self) -> None:
        await self.ask()
        await self.model.network.travel()
        self._check()
        world, faults = self.model.world, self.model.world.faults
        lost = world.troubled and world.random.random() < faults.lost_replies
        if lost and world.random.random() < 0.5:
            self.abort()
        else:
            self._commit()
        if lost:
            world.note(self.process.name, "commit is not answered")
            raise _away()
        await self.model.network.answer()

    async def execute(self, statement: Any, *arguments: Any) -> Result:
        await self.ask()
        return await self._carry_out(statement, arguments)

    async def _carry_out(self, statement: Any, arguments: Sequence[Any]) -> Result:
        model = self.model.statements[text_of(statement)]
        world, faults = self.model.world, self.model.world.faults
        await self.model.network.travel()
        self._check()
        if world.troubled and world.random.random() < faults.lost_replies:
            world.note(self.process.name, "statement is not answered")
            self.abort()
            raise _away()
        try:
            answer = await self._run(model(self, arguments[0] if len(arguments) == 1 else arguments))
        except BaseException:
            self.abort()
            raise
        await self.model.network.answer()
        self._check()
        return Result(answer or ())

    async def ask(self, *steps: Step) -> list[Result]:
        put_off, self._put_off = self._put_off, []
        return [await self._carry_out(*step[:2]) for step in (*put_off, *steps)][-len(steps) :]

    def put_off(self, *steps: Step) -> None:
        self._put_off += steps

    fetch = execute

    async def fetchval(self, statement: Any, *arguments: Any) -> Any:
        return (await self.execute(statement, *arguments)).scalar()

    # what statements call

    def visible(self, table: str) -> dict[Any, Any]:
        """Committed rows and this transaction's own changes."""
        found = self.model.table(table)
        changed = {key: row for (name, key), row in self._writes.items() if name == table}
        if not changed:
            return found
        merged = {**found, **changed}
        return {key: row for key, row in merged.items() if row is not _DELETED}

    def write(self, table: str, key: Any, row: Any) -> None:
        self._writes[table, key] = row

    def lock(self, table: str, key: Any, mode: Mode = Mode.UPDATE) -> Waits:
        name = (table, key)
        while (other := self._conflicting(name, mode)) is not None:
            yield other
        self._locks[name] = max(mode, self._locks.get(name, mode))

    def try_lock(self, table: str, key: Any) -> bool:
        if self._conflicting((table, key), Mode.UPDATE) is not None:
            return False
        self._locks[table, key] = Mode.UPDATE
        return True

    def writers(self, table: str) -> list[str]:
        """The names of all others that have changed something there and have not ended."""
        return [
            other.name
            for other in self.model.open
            if other is not self and any(name == table for name, _ in other._locks)
        ]

    def insert(self, table: str, key: Any, row: Any) -> Waits:
        """False where the key is there already; who inserts or deletes it just now is waited for."""
        name = (table, key)
        while (other := self._writer(name)) is not None:
            yield other
        if key in self.visible(table):
            return False
        yield from self.lock(table, key)
        self.write(table, key, row)
        return True

    def delete(self, table: str, key: Any) -> Waits:
        yield from self.lock(table, key)
        if key not in self.visible(table):
            return False
        self.write(table, key, _DELETED)
        return True

    def abort(self) -> None:
        self._end()

    def abort_when_idle(self) -> None:
        """As the server does with a transaction whose client says nothing for too long."""
        idle = self.model.world.now - self._active_at
        if self._state == "open" and self._waits_for is None and idle >= IDLE_IN_TRANSACTION_SECONDS:
            self.abort()

    async def _run(self, generator: Waits) -> Any:
        began = self.model.world.now
        try:
            other = next(generator)
            while True:
                await self._wait(other, began)
                other = next(generator)
        except StopIteration as end:
            self._active_at = self.model.world.now
            return end.value

    async def _wait(self, other: "ModelTransaction", began: float) -> None:
        last: ModelTransaction | None = other
        while last is not None:
            if last is self:
                raise _contention("a deadlock")
            last = last._waits_for
        world = self.model.world
        world.plan(
            max(world.now, other._active_at + IDLE_IN_TRANSACTION_SECONDS + 0.001), other.abort_when_idle
        )
        ended = self.process.loop.create_future()
        other._waiters.append(ended)
        self._waits_for = other
        try:
            async with asyncio.timeout_at(began + STATEMENT_SECONDS):
                await ended
        except TimeoutError:
            raise unavailable("database.timeout", "The database took too long.") from None
        finally:
            self._waits_for = None
        self._check()

    def _check(self) -> None:
        if self._state == "open" and self.model.world.now - self._active_at >= IDLE_IN_TRANSACTION_SECONDS:
            self.abort()
        if self._state != "open":
            raise _away()

    def _conflicting(self, name: Name, mode: Mode) -> "ModelTransaction | None":
        for tx in list(self.model.open):
            # who passes over locked rows waits for nobody, and finds those of the idle free all the same
            tx.abort_when_idle()
            if tx is not self and name in tx._locks and mode.conflicts(tx._locks[name]):
                return tx
        return None

    def _writer(self, name: Name) -> "ModelTransaction | None":
        for tx in self.model.open:
            if tx is not self and name in tx._writes:
                return tx
        return None

    def _commit(self) -> None:
        for (name, key), row in self._writes.items():
            if row is _DELETED:
                self.model.table(name).pop(key, None)
            else:
                self.model.table(name)[key] = row
        if self.on_commit is not None:
            self.on_commit()
        self._end()

    def _end(self) -> None:
        if self._state == "open":
            self.model.open.remove(self)
        self._state = "ended"
        self._writes, self._locks = {}, {}
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


def text_of(statement: Any) -> str:
    if isinstance(statement, str):
        return statement
    # with the types of its columns it stands around the text
    return getattr(statement, "element", statement).text


def _away() -> QuartetError:
    return unavailable("database.unavailable", "The database does not answer.")


def _contention(why: str) -> QuartetError:
    return QuartetError("database.contention", why, kind=Kind.UNAVAILABLE)
