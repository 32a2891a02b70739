from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Database, Transaction
from common.postgres.one_trip import in_one_trip


@dataclass(frozen=True)
class Account:
    """What an account shows of itself."""

    id: UUID
    email: str
    full_name: str | None
    timezone: str
    language: str
    role: str
    is_active: bool
    is_verified: bool
    version: int
    created_at: datetime
    updated_at: datetime


_COLUMNS = (
    "id, email, full_name, timezone, language, role, is_active, is_verified, version, created_at, updated_at"
)


async def read_account(database: Database, *, user_id: UUID) -> Account | None:
    """In a transaction of its own."""
    statement = f"SELECT {_COLUMNS} FROM users WHERE id = $1 AND is_active"
    rows = await in_one_trip(database, statement, user_id, as_user=user_id)
    return Account(*rows[0]) if rows else None


async def lock_account(tx: Transaction, *, user_id: UUID) -> Account | None:
    found = await tx.execute(
        sa.text(f"SELECT {_COLUMNS} FROM users WHERE id = :user_id AND is_active FOR UPDATE"),
        {"user_id": user_id},
    )
    row = found.mappings().one_or_none()
    return None if row is None else Account(**row)


async def change_account(
    tx: Transaction,
    *,
    user_id: UUID,
    full_name: str | None,
    timezone: str,
    language: str,
    now: datetime,
) -> Account:
    """In the transaction that locked it."""
    changed = await tx.execute(
        sa.text(f"""
            UPDATE users SET full_name = :full_name, timezone = :timezone, language = :language,
                version = version + 1, updated_at = :now
            WHERE id = :user_id RETURNING {_COLUMNS}
        """),
        {
            "user_id": user_id,
            "full_name": full_name,
            "timezone": timezone,
            "language": language,
            "now": now,
        },
    )
    return Account(**changed.mappings().one())
