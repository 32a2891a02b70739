"""What a service holds of one user, told to that user: each service says which columns of which tables."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction

_COMMON_KEPT_BACK: Final = {
    "jobs": "work that is to be done: it holds ids, and says nothing of the user that is not said elsewhere",
    "idempotency_keys": "answers that the user has been given, kept for a day",
    "parked_messages": "news between services that is on its way to the tables that are told",
    "erased_users": "of an erased user nothing is left that could be told",
    "audit_log.id": "the number of a line",
    "audit_log.actor": "names who of the staff did it; what was done is told",
}


Beside = Callable[[Any, UUID, dict[str, list[Any]]], Awaitable[None]]
"""With the api's `app.state`, whose data it is, and the rows that were read, which it adds to."""


@dataclass(frozen=True)
class Section:
    table: str
    columns: tuple[str, ...]
    order_by: str
    owner: str = "user_id"

    @property
    def statement(self) -> str:
        return (
            f"SELECT coalesce(json_agg(told), '[]') FROM (SELECT {', '.join(self.columns)} "
            f"FROM {self.table} WHERE {self.owner} = :user_id ORDER BY {self.order_by}) told"
        )


_LOG: Final = Section("audit_log", ("at", "action", "data"), order_by="id")


@dataclass(frozen=True)
class Export:
    """A test looks whether every column of every table of users is told or kept back for a reason."""

    own: Mapping[str, Section]
    """By the name that it is told under."""
    own_kept_back: Mapping[str, str]
    """Tables, and columns as `table.column`, each with the reason."""
    beside: Beside | None = None
    """Adds what lies outside of the database."""

    @property
    def sections(self) -> Mapping[str, Section]:
        return {**self.own, "log": _LOG}

    @property
    def kept_back(self) -> Mapping[str, str]:
        return {**_COMMON_KEPT_BACK, **self.own_kept_back}

    @property
    def told(self) -> Iterator[str]:
        for section in self.sections.values():
            yield from (f"{section.table}.{column}" for column in section.columns)


async def read_export(tx: Transaction, export: Export, *, user_id: UUID) -> Mapping[str, list[Any]]:
    """As the user, whose rows the database shows alone; one statement, so all of it is of one moment."""
    parts = ", ".join(f"'{name}', ({section.statement})" for name, section in export.sections.items())
    found = await tx.execute(sa.text(f"SELECT json_build_object({parts})"), {"user_id": user_id})
    return found.scalar_one()
