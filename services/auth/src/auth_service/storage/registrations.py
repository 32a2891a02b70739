"""Passwords that somebody registered with, by tags; the same is kept for every address."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction

# The statement looks at the table as it was before: what it finds there is an earlier registration.
_KEEP = sa.text("""
    WITH earlier AS (
        SELECT FROM registrations WHERE user_id = :user_id AND password_tag = :password_tag)
    INSERT INTO registrations (user_id, password_tag, expires_at)
    VALUES (:user_id, :password_tag, :expires_at)
    ON CONFLICT (user_id, password_tag) DO UPDATE SET expires_at = excluded.expires_at
    RETURNING EXISTS (SELECT FROM earlier)
""")
_TRY = sa.text("""
    UPDATE registrations SET tried_at = :now
    WHERE user_id = :user_id AND password_tag = :password_tag AND tried_at IS NULL
""")
_FORGET = sa.text("DELETE FROM registrations WHERE user_id = :user_id AND password_tag = :password_tag")


async def keep_registration(
    tx: Transaction, *, user_id: UUID, password_tag: bytes, expires_at: datetime
) -> bool:
    """Whether the address was registered with this password before."""
    kept = await tx.execute(
        _KEEP, {"user_id": user_id, "password_tag": password_tag, "expires_at": expires_at}
    )
    return kept.scalar_one()


async def try_registration(tx: Transaction, *, user_id: UUID, password_tag: bytes, now: datetime) -> bool:
    """True the first time: whoever registers a guess and tries it has guessed once."""
    tried = await tx.execute(_TRY, {"user_id": user_id, "password_tag": password_tag, "now": now})
    return tried.rowcount == 1


async def forget_registration(tx: Transaction, *, user_id: UUID, password_tag: bytes) -> None:
    await tx.execute(_FORGET, {"user_id": user_id, "password_tag": password_tag})
