from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from common.postgres.one_trip import in_one_trip

_READ: Final = "SELECT blob, version FROM avatars"
# The row outlives its picture: the next one has a version that no cache has seen.
_WRITE: Final = sa.text("""
    INSERT INTO avatars AS present (user_id, blob, updated_at) VALUES (:user_id, :blob, :now)
    ON CONFLICT (user_id) DO UPDATE SET
        blob = excluded.blob, version = present.version + 1, updated_at = excluded.updated_at
    RETURNING version
""")


@dataclass(frozen=True)
class Avatar:
    blob: str | None = None
    version: int = 0

    @property
    def shown(self) -> int | None:
        """The version that a caller could know; none where no picture is."""
        return None if self.blob is None else self.version


async def read_avatar(database: Database, *, user_id: UUID) -> Avatar:
    """In a transaction of its own; anybody's, as everybody may see it."""
    rows = await in_one_trip(database, f"{_READ} WHERE user_id = $1", user_id, as_user=Context.SHARED)
    return Avatar(*rows[0]) if rows else Avatar()


async def avatar_of_user(tx: Transaction, *, user_id: UUID) -> Avatar:
    """For a change: whoever asks holds the lock of the user's profile."""
    found = await tx.execute(sa.text(f"{_READ} WHERE user_id = :user_id"), {"user_id": user_id})
    row = found.one_or_none()
    return Avatar() if row is None else Avatar(row.blob, row.version)


async def write_avatar(tx: Transaction, blob: str | None, *, user_id: UUID, now: datetime) -> Avatar:
    written = await tx.execute(_WRITE, {"user_id": user_id, "blob": blob, "now": now})
    return Avatar(blob, written.scalar_one())
