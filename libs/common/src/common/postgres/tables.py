"""Who may do what with each table: the one registry that grants, policies and the meta-test come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import sqlalchemy as sa

from common.crypto.columns import SealedColumn
from common.postgres.common_tables import new_metadata
from common.postgres.context import Context

Columns = tuple[str, ...]
ALL: Final[Columns] = ("*",)
NONE: Final[Columns] = ()
Kind = Literal["user", "system", "shared"]


@dataclass(frozen=True)
class Grants:
    """What one role may do with one table, by columns; `ALL` is the whole table."""

    select: Columns = NONE
    insert: Columns = NONE
    update: Columns = NONE
    delete: bool = False
    rows: str = "true"
    """Which rows, as a condition; a user's own rows need none here."""


READ = Grants(select=ALL)
EVERYTHING = Grants(select=ALL, insert=ALL, update=ALL, delete=True)


@dataclass(frozen=True)
class TableAccess:
    """`user`: rows belong to users. `system`: the workers' own. `shared`: read by every process."""

    name: str
    kind: Kind
    user: Grants = Grants()
    system: Grants = EVERYTHING
    others: Mapping[Context, Grants] = field(default_factory=dict[Context, Grants])
    """Of staff, service, login and admin; `shared` tables are read by the shared role without saying so."""
    owner_column: str = "user_id"
    outlives_users: bool = False
    """Its rows stay when their user is erased: they hold ids, and nothing that tells who that was."""


# INSERT alone: a RETURNING of any column would be refused, and nobody's events can be read
_RECORDS: Final = Grants(
    insert=("id", "aggregatetype", "aggregateid", "type", "topic", "payload", "headers", "created_at")
)

COMMON_TABLES: Final = (
    TableAccess("outbox", "system", user=_RECORDS, others={Context.ADMIN: _RECORDS}),
    TableAccess("relay_lease", "system"),
    TableAccess("inbox", "system"),
    TableAccess("parked_keys", "system"),
    TableAccess("parked_messages", "user"),
    TableAccess(
        "jobs",
        "user",
        user=Grants(
            select=ALL,
            insert=(
                *("id", "kind", "dedupe_key", "user_id", "arguments"),
                *("max_attempts", "run_at", "trace", "created_at"),
            ),
            update=("cancel_requested_at",),
        ),
    ),
    TableAccess(
        "idempotency_keys",
        "user",
        # written once: what was answered is not answered otherwise later
        user=Grants(select=ALL, insert=("user_id", "key", "request_hash", "status", "headers", "body")),
    ),
    TableAccess("heartbeats", "shared"),
    TableAccess("revoked_sids", "shared"),
    TableAccess("alembic_version", "shared", system=READ),
    TableAccess(
        "audit_log",
        "user",
        user=Grants(select=ALL, insert=ALL),
        # nobody changes a row; DELETE is for the few that no month's partition will take along
        system=Grants(select=ALL, insert=ALL, delete=True),
        others={
            Context.STAFF: Grants(select=ALL, insert=ALL),
            Context.LOGIN: Grants(insert=ALL, rows="user_id is null"),
            Context.ADMIN: Grants(insert=ALL),
        },
        outlives_users=True,
    ),
    TableAccess("erased_users", "user", user=READ, outlives_users=True),
)


@dataclass(frozen=True)
class View:
    """Read with the rights of whoever reads: its tables' grants and policies hold."""

    name: str
    definition: str
    readers: tuple[str, ...]
    """Roles, by the ends of their names."""


@dataclass(frozen=True)
class Schema:
    """A service's tables; one that bears a common table's name says anew who may do what with it."""

    service: str
    own: tuple[TableAccess, ...] = ()
    views: tuple[View, ...] = ()
    metadata: sa.MetaData = field(default_factory=new_metadata)
    sealed: tuple[SealedColumn, ...] = ()
    """The columns that hold sealed values; a rotation of keys finds them here."""

    @property
    def tables(self) -> tuple[TableAccess, ...]:
        by_name = {table.name: table for table in (*COMMON_TABLES, *self.own)}
        return tuple(by_name.values())
