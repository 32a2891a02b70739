from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Database, Transaction, changed
from common.postgres.one_trip import in_one_trip
from profile_service.domain.fields import FIELDS, NOTHING, PUBLIC, Values
from profile_service.storage.versions import profile_name, public_name

_COLUMNS: Final = tuple(one.column for one in FIELDS)
_PUBLIC: Final = frozenset(one.column for one in PUBLIC)
_BESIDE: Final = (
    *("user_id", "timezone", "language", "account_version", "version"),
    *("created_at", "updated_at", "completed_at"),
)
_READ: Final = f"SELECT {', '.join((*_COLUMNS, *_BESIDE))} FROM profiles"
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


async def read_profile(database: Database, *, user_id: UUID) -> Profile | None:
    """In a transaction of its own."""
    rows = await in_one_trip(database, _READ_ONE, user_id, as_user=user_id)
    return _profile(rows[0]) if rows else None


async def find_profile(tx: Transaction, *, user_id: UUID) -> Profile | None:
    row = (await tx.execute(_FIND, {"user_id": user_id})).one_or_none()
    return None if row is None else _profile(row)


async def lock_profile(tx: Transaction, *, user_id: UUID) -> Profile | None:
    row = (await tx.execute(_LOCK, {"user_id": user_id})).one_or_none()
    return None if row is None else _profile(row)


async def rewrite_profile(
    database: Database, present: Profile, values: Values, *, now: datetime
) -> Profile | None:
    """The next version and what others see of it, in a transaction of its own; None when somebody was faster.

    For what tells nobody: a profile that becomes complete does.
    """
    user_id = present.user_id
    columns = [column for column in _COLUMNS if values[column] != present.values[column]]
    public = [column for column in columns if column in _PUBLIC]
    rows = await in_one_trip(
        database,
        _rewrite(tuple(columns), tuple(public)),
        *(user_id, present.version, now, *(values[column] for column in columns)),
        as_user=user_id,
        repeatable=False,
        changes=(profile_name(user_id), *((public_name(user_id),) if public else ())),
    )
    if not rows:
        return None
    return replace(present, values=values, version=present.version + 1, updated_at=rows[0][0])


@lru_cache(256)
def _rewrite(columns: tuple[str, ...], public: tuple[str, ...]) -> str:
    assigned = ", ".join(f"{column} = ${number}" for number, column in enumerate(columns, start=4))
    written = f"""
        WITH written AS (
            UPDATE profiles SET {assigned}, version = version + 1, updated_at = greatest(updated_at, $3)
            WHERE user_id = $1 AND version = $2
            RETURNING {", ".join(("user_id", "updated_at", *public))}
        )
    """
    # what is private changes nothing there, not even the version
    shown = f"""
        , shown AS (
            UPDATE public_profiles SET {", ".join(f"{column} = written.{column}" for column in public)},
                version = public_profiles.version + 1, updated_at = written.updated_at
            FROM written WHERE public_profiles.user_id = written.user_id
        )
    """
    return f"{written} {shown if public else ''} SELECT updated_at FROM written"


async def change_profile(tx: Transaction, profile: Profile, *, now: datetime) -> datetime | None:
    """When it was changed; None when its version is not the present one."""
    changed(tx, profile_name(profile.user_id))
    written = await tx.execute(_CHANGE, {**_parameters(profile), "now": now})
    return written.scalar_one_or_none()


def _parameters(profile: Profile) -> dict[str, Any]:
    """By column, of every column."""
    columns = vars(profile).copy()
    return {**columns.pop("values"), **columns}


def _profile(row: Sequence[Any]) -> Profile:
    values = dict(zip(_COLUMNS, row, strict=False))
    return Profile(values=values, **dict(zip(_BESIDE, row[len(_COLUMNS) :], strict=True)))
