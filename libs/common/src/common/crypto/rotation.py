"""Sealing anew what an older key has sealed: a durable job that goes on where an earlier run stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import sqlalchemy as sa
import structlog

from common.crypto.cipher import CannotOpenError, Cipher, header_of
from common.crypto.columns import SealedColumn
from common.errors import Kind, QuartetError
from common.jobs.control import Control
from common.jobs.kinds import Job, JobKind
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction

_LOG = structlog.get_logger("keys")

ROTATION = "keys.rotate"
BATCH = 100


@dataclass(frozen=True)
class Sealing:
    """What a service seals with: its ring of keys and every column that holds sealed values."""

    cipher: Cipher
    columns: Sequence[SealedColumn]


@dataclass(frozen=True)
class Position:
    """The job's checkpoint."""

    column: int = 0
    after: str | None = None
    """The last row that was looked at."""
    sealed: int = 0
    unreadable: int = 0


def rotation_kind(database: Database, sealing: Sealing, *, batch: int = BATCH) -> JobKind:
    rotation = Rotation(database, sealing, batch)
    return JobKind(ROTATION, rotation.run, concurrency=1)


class Rotation:
    def __init__(self, database: Database, sealing: Sealing, batch: int) -> None:
        self._database = database
        self._cipher = sealing.cipher
        self._columns = sealing.columns
        self._batch = batch

    async def run(self, job: Job, control: Control) -> Mapping[str, int]:
        """Row by row in batches; a value that changes meanwhile is left to whoever changed it."""
        at = self._begin_at(job)
        total = at.sealed + await self._left()
        while at.column < len(self._columns):
            at = await self._next(at, control, total)
            control.check()
        if at.unreadable:
            raise QuartetError(
                "keys.cannot_open",
                f"{at.sealed} values were sealed anew, {at.unreadable} do not open; the log names them.",
                kind=Kind.INVALID,
            )
        return {"sealed": at.sealed, "left": await self._left()}

    def _begin_at(self, job: Job) -> Position:
        """A run that had come to the end, and is asked for again, looks at everything once more."""
        known = Position(**job.checkpoint)
        return known if known.column < len(self._columns) else Position()

    async def _next(self, at: Position, control: Control, total: int) -> Position:
        column = self._columns[at.column]

        async def one_batch(tx: Transaction) -> Position:
            rows = await _sealed_otherwise(tx, column, self._cipher.active, after=at.after, batch=self._batch)
            if not rows:
                moved = replace(at, column=at.column + 1, after=None)
            else:
                fresh = {row: self._anew(column, row, sealed) for row, sealed in rows.items()}
                changed = {row: value for row, value in fresh.items() if value is not None}
                moved = replace(
                    at,
                    after=list(rows)[-1],
                    sealed=at.sealed + await _replace(tx, column, rows, changed),
                    unreadable=at.unreadable + len(fresh) - len(changed),
                )
            await control.save(tx, moved.sealed, max(total, moved.sealed), checkpoint=asdict(moved))
            return moved

        return await self._database.in_transaction(Context.SYSTEM, one_batch)

    def _anew(self, column: SealedColumn, row: str, sealed: bytes) -> bytes | None:
        place = column.place(row)
        try:
            return self._cipher.seal(self._cipher.open(sealed, place=place), place=place)
        except CannotOpenError as error:
            _LOG.error("keys.cannot_open", column=str(column), row=row, reason=str(error))
            return None

    async def _left(self) -> int:
        found = await count_rows(self._database, self._columns)
        return sum(rows for key_id, rows in found.total.items() if key_id != self._cipher.active)


@dataclass(frozen=True)
class Counted:
    by_column: Mapping[str, Mapping[str, int]]
    """Rows by the id of their key, for each column; `?` stands for values that were never sealed."""

    @property
    def total(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for rows in self.by_column.values():
            for key_id, number in rows.items():
                total[key_id] = total.get(key_id, 0) + number
        return total


async def count_rows(database: Database, columns: Sequence[SealedColumn]) -> Counted:
    """Reads every row once: for an operator's question, not for a probe."""
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        return Counted({str(column): await _count(tx, column) for column in columns})


async def ensure_keys_are_there(database: Database, sealing: Sealing) -> None:
    """An error that names the key when rows need one that was taken out of the ring."""
    found = (await count_rows(database, sealing.columns)).total
    for key_id, rows in sorted(found.items()):
        if key_id != UNSEALED and key_id not in sealing.cipher.key_ids:
            raise QuartetError(
                "keys.still_used",
                f"{rows} values are sealed with key {key_id}, which is not among the keys: add it again, "
                "and rotate before you take it out.",
                kind=Kind.INTERNAL,
            )


UNSEALED = "?"


async def _count(tx: Transaction, column: SealedColumn) -> dict[str, int]:
    name = column.column
    found = await tx.execute(
        sa.text(f"""
            SELECT CASE WHEN octet_length({name}) > 2 AND get_byte({name}, 0) = 1
                        THEN substring({name} FROM 3 FOR get_byte({name}, 1)) END AS key_id,
                   count(*) AS number
            FROM {column.table} WHERE {name} IS NOT NULL GROUP BY 1
        """)
    )
    return {
        UNSEALED if row.key_id is None else row.key_id.decode(errors="replace"): row.number for row in found
    }


async def _sealed_otherwise(
    tx: Transaction, column: SealedColumn, active: str, *, after: str | None, batch: int
) -> dict[str, bytes]:
    """By row, in the order of rows."""
    header = header_of(active)
    first = f"substring({column.column} FROM 1 FOR {len(header)})"
    beyond = "" if after is None else f"AND {column.row} > CAST(CAST(:after AS text) AS {column.row_type})"
    found = await tx.execute(
        sa.text(f"""
            SELECT CAST({column.row} AS text) AS row, {column.column} AS sealed FROM {column.table}
            WHERE {column.column} IS NOT NULL AND {first} <> :header {beyond}
            ORDER BY {column.row} LIMIT :batch
        """),
        {"header": header, "batch": batch} | ({} if after is None else {"after": after}),
    )
    return {one.row: one.sealed for one in found}


async def _replace(
    tx: Transaction, column: SealedColumn, found: Mapping[str, bytes], fresh: Mapping[str, bytes]
) -> int:
    """Only where the value is still the one that was opened; how many were replaced."""
    if not fresh:
        return 0
    replaced = await tx.execute(
        sa.text(f"""
            UPDATE {column.table} SET {column.column} = anew.fresh
            FROM unnest(CAST(:rows AS text[]), CAST(:found AS bytea[]), CAST(:fresh AS bytea[]))
                 AS anew (row, found, fresh)
            WHERE {column.table}.{column.row} = CAST(anew.row AS {column.row_type})
              AND {column.table}.{column.column} = anew.found
        """),
        {"rows": list(fresh), "found": [found[row] for row in fresh], "fresh": list(fresh.values())},
    )
    return replaced.rowcount
