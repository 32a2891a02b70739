"""Who may work on a row: its `claim`, decided by PostgreSQL and its clock (ADR 0013).

The table has `version`, `claim`, `claim_until` and `state`. A claim is taken on the version that was seen,
and what it led to is written only while it stands: a holder that was away too long writes nothing.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class ClaimLostError(Exception):
    """Another has the row by now, or it was changed past the claim; the transaction is to be rolled back."""


@dataclass(frozen=True)
class Claim:
    key: UUID
    id: UUID
    version: int
    taken_over: bool
    """The former holder's time ran out: how far it came is not known."""
    taken_at: float
    """By this process's own clock, from before the database was asked: it ends there no earlier than here."""


class Claims:
    """The claims of one table; every statement runs in the caller's transaction, as its role."""

    def __init__(
        self,
        table: str,
        *,
        key: str = "id",
        free: str,
        held: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`free` and `held` are the values of `state`; a row in any other state cannot be taken."""
        _check_names((table, key))
        self.table = table
        self._key = key
        self._free = free
        self._held = held
        self._now = now
        # A row that another is taking at this moment is waited for, and then looked at again, by the time
        # of that second look: clock_timestamp().
        self.take_statement = sa.text(f"""
            WITH found AS (
                SELECT {key}, state FROM {table}
                WHERE {key} = :key AND version = :version
                  AND (state = :free OR (state = :held AND claim_until <= clock_timestamp()))
                FOR UPDATE
            )
            UPDATE {table} AS claimed
            SET claim = :claim, state = :held,
                claim_until = clock_timestamp() + make_interval(secs => :seconds)
            FROM found WHERE claimed.{key} = found.{key}
            RETURNING found.state = :held AS taken_over
        """)
        self.extend_statement = sa.text(f"""
            UPDATE {table} SET claim_until = clock_timestamp() + make_interval(secs => :seconds)
            WHERE {key} = :key AND claim = :claim
            RETURNING version
        """)
        self.give_up_statement = sa.text(f"""
            UPDATE {table} SET state = :state, claim = NULL, claim_until = NULL
            WHERE {key} = :key AND claim = :claim
            RETURNING version
        """)

    def finish_statement(self, columns: Iterable[str]) -> sa.TextClause:
        assignments = "".join(f", {name} = :set_{name}" for name in columns)
        return sa.text(f"""
            UPDATE {self.table}
            SET version = version + 1, state = :state, claim = NULL, claim_until = NULL{assignments}
            WHERE {self._key} = :key AND claim = :claim AND version = :version
            RETURNING version
        """)

    async def take(
        self, tx: Transaction, key: UUID, *, version: int, claim_id: UUID, seconds: float
    ) -> Claim | None:
        """None: the version has passed, another is at it, or the row is in no state to be taken."""
        taken_at = self._now()
        values = {"free": self._free, "held": self._held, "version": version, "seconds": seconds}
        taken = await tx.execute(self.take_statement, values | {"key": key, "claim": claim_id})
        row = taken.first()
        if row is None:
            return None
        return Claim(key, claim_id, version, taken_over=row.taken_over, taken_at=taken_at)

    async def extend(self, tx: Transaction, claim: Claim, *, seconds: float) -> None:
        """From now on, by the database's clock; raises when the claim is another's by now."""
        values = {"key": claim.key, "claim": claim.id, "seconds": seconds}
        await self._expect_one(tx, self.extend_statement, values)

    async def finish(
        self, tx: Transaction, claim: Claim, values: Mapping[str, object], *, state: str | None = None
    ) -> int:
        """Writes what the work led to and lets go; the new version. Raises when the claim is lost."""
        _check_names(values)
        bound = {f"set_{name}": value for name, value in values.items()}
        bound |= {"key": claim.key, "claim": claim.id, "version": claim.version, "state": state or self._free}
        return await self._expect_one(tx, self.finish_statement(values), bound)

    async def give_up(self, tx: Transaction, key: UUID, claim_id: UUID, *, state: str | None = None) -> bool:
        """The row is free again, or in `state`; False when there was nothing to give up."""
        values = {"key": key, "claim": claim_id, "state": state or self._free}
        return (await tx.execute(self.give_up_statement, values)).first() is not None

    async def _expect_one(
        self, tx: Transaction, statement: sa.TextClause, values: Mapping[str, object]
    ) -> int:
        row = (await tx.execute(statement, values)).first()
        if row is None:
            raise ClaimLostError(f"the claim of a row of {self.table} is another's by now")
        return int(row.version)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no plain name of a table or column")
