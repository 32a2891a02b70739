"""Passwords that somebody registered with, by tags; the same is kept for every address."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction
from common.postgres.trip import Row, Step

# The statement looks at the table as it was before: what it finds there is an earlier registration.
_KEEP = """
    WITH earlier AS (SELECT FROM registrations WHERE user_id = $1 AND password_tag = $2)
    INSERT INTO registrations (user_id, password_tag, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT (user_id, password_tag) DO UPDATE SET expires_at = excluded.expires_at
    RETURNING EXISTS (SELECT FROM earlier)
"""
_TRY = sa.text("""
    UPDATE registrations SET tried_at = :now
    WHERE user_id = :user_id AND password_tag = :password_tag AND tried_at IS NULL
""")
_FORGET = sa.text("DELETE FROM registrations WHERE user_id = :user_id AND password_tag = :password_tag")


def keeping_registration(*, user_id: UUID, password_tag: bytes, expires_at: datetime) -> Step:
    return Step(_KEEP, (user_id, password_tag, expires_at))


def was_kept(rows: Sequence[Row]) -> bool:
    """Whether the address was registered with this password before."""
    [(before,)] = rows
    return before


async def try_registration(tx: Transaction, *, user_id: UUID, password_tag: bytes, now: datetime) -> bool:
    """True the first time: whoever registers a guess and tries it has guessed once."""
    tried = await tx.execute(_TRY, {"user_id": user_id, "password_tag": password_tag, "now": now})
    return tried.rowcount == 1


async def forget_registration(tx: Transaction, *, user_id: UUID, password_tag: bytes) -> None:
    await tx.execute(_FORGET, {"user_id": user_id, "password_tag": password_tag})
