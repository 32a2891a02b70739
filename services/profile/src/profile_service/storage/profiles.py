from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from common.postgres.engine import Transaction, changed
from profile_service.domain.fields import FIELDS, NOTHING, Values
from profile_service.storage.versions import profile_name

_COLUMNS: Final = tuple(one.column for one in FIELDS)
_READ: Final = f"""
    SELECT {", ".join(_COLUMNS)},
        user_id, timezone, language, account_version, version, created_at, updated_at, completed_at
    FROM profiles
"""
_READ_ONE: Final = f"{_READ} WHERE user_id = $1"
_FIND: Final = sa.text(f"{_READ} WHERE user_id = :user_id")
_LOCK: Final = sa.text(f"{_READ} WHERE user_id = :user_id FOR UPDATE")
_INSERTED: Final = (
    *("user_id", *_COLUMNS, "timezone", "language", "account_version"),
    *("created_at", "updated_at", "completed_at"),
)
# The same statement for whoever comes first, the event or the user.
_INSERT: Final = sa.text(f"""
    INSERT INTO profiles ({", ".join(_INSERTED)})
    VALUES ({", ".join(f":{column}" for column in _INSERTED)})
    ON CONFLICT DO NOTHING
""")
# Clocks differ by a little: the time of the last change only goes forward, and it bounds the day of birth.
_CHANGE: Final = sa.text(f"""
    UPDATE profiles SET
        {", ".join(f"{column} = :{column}" for column in _COLUMNS)},
        timezone = :timezone, language = :language, account_version = :account_version,
        completed_at = :completed_at, version = version + 1, updated_at = greatest(updated_at, :now)
    WHERE user_id = :user_id AND version = :version
    RETURNING updated_at
""")


@dataclass(frozen=True)
class Profile:
    """With version 0 of a user who has none yet."""

    user_id: UUID
    values: Values = field(default_factory=NOTHING.copy)
    timezone: str | None = None
    language: str | None = None
    account_version: int = 0
    """Of the account that the copies above were taken from."""
    version: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None


async def insert_profile(tx: Transaction, profile: Profile) -> bool:
    """As version 1; false when the user has one already."""
    changed(tx, profile_name(profile.user_id))
    inserted = await tx.execute(_INSERT, _parameters(profile))
    return inserted.rowcount == 1


async def read_profile(connection: asyncpg.Connection, *, user_id: UUID) -> Profile | None:
    row = await connection.fetchrow(_READ_ONE, user_id)
    return None if row is None else _profile(row)


async def find_profile(tx: Transaction, *, user_id: UUID) -> Profile | None:
    row = (await tx.execute(_FIND, {"user_id": user_id})).mappings().one_or_none()
    return None if row is None else _profile(row)


async def lock_profile(tx: Transaction, *, user_id: UUID) -> Profile | None:
    row = (await tx.execute(_LOCK, {"user_id": user_id})).mappings().one_or_none()
    return None if row is None else _profile(row)


async def change_profile(tx: Transaction, profile: Profile, *, now: datetime) -> datetime | None:
    """When it was changed; None when its version is not the present one."""
    changed(tx, profile_name(profile.user_id))
    written = await tx.execute(_CHANGE, {**_parameters(profile), "now": now})
    return written.scalar_one_or_none()


def _parameters(profile: Profile) -> dict[str, Any]:
    """By column, of every column."""
    columns = vars(profile).copy()
    return {**columns.pop("values"), **columns}


def _profile(row: Mapping[Any, Any]) -> Profile:
    return Profile(
        user_id=row["user_id"],
        values={column: row[column] for column in _COLUMNS},
        timezone=row["timezone"],
        language=row["language"],
        account_version=row["account_version"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        completed_at=row["completed_at"],
    )
