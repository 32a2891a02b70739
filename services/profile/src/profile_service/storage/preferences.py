from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Database, Transaction, changed
from common.postgres.one_trip import in_one_trip
from profile_service.domain.preferences import CHOICES, SWITCHES
from profile_service.storage.versions import preferences_name

_COLUMNS: Final = (*CHOICES, *SWITCHES)
_READ: Final = f"SELECT version, {', '.join(_COLUMNS)} FROM preferences"
_WRITE: Final = sa.text(f"""
    INSERT INTO preferences AS present (user_id, {", ".join(_COLUMNS)}, updated_at)
    VALUES (:user_id, {", ".join(f":{column}" for column in _COLUMNS)}, :now)
    ON CONFLICT (user_id) DO UPDATE SET
        {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)},
        version = present.version + 1, updated_at = excluded.updated_at
    RETURNING version
""")


@dataclass(frozen=True)
class Preferences:
    values: dict[str, Any]
    """By column; none of a user who has chosen nothing."""
    version: int


async def read_preferences(database: Database, *, user_id: UUID) -> Preferences:
    """In a transaction of its own."""
    rows = await in_one_trip(database, f"{_READ} WHERE user_id = $1", user_id, as_user=user_id)
    return _preferences(rows[0] if rows else None)


async def preferences_of(tx: Transaction, *, user_id: UUID) -> Preferences:
    """For a change: whoever asks holds the lock of the user's profile."""
    found = await tx.execute(sa.text(f"{_READ} WHERE user_id = :user_id"), {"user_id": user_id})
    return _preferences(found.one_or_none())


async def write_preferences(
    tx: Transaction, values: dict[str, Any], *, user_id: UUID, now: datetime
) -> Preferences:
    changed(tx, preferences_name(user_id))
    written = await tx.execute(_WRITE, {**values, "user_id": user_id, "now": now})
    return Preferences(values, written.scalar_one())


def _preferences(row: Sequence[Any] | None) -> Preferences:
    if row is None:
        return Preferences({}, 0)
    version, *values = row
    return Preferences(dict(zip(_COLUMNS, values, strict=True)), version)
