"""What a password is held against."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Database, Transaction
from common.postgres.one_trip import in_one_trip


@dataclass(frozen=True)
class StoredPassword:
    hashed: str | None
    is_verified: bool


@dataclass(frozen=True)
class FoundCredentials:
    stored: StoredPassword
    role: str
    may_log_in: bool
    """Neither closed nor locked by an administrator."""
    is_registered: bool
    """Somebody registered the address with this password a short while ago."""


_ASK = "SELECT hashed_password, is_verified FROM users WHERE id = $1 AND is_active"
_READ = sa.text("""
    SELECT u.hashed_password, u.is_verified, u.role,
        u.is_active AND coalesce(s.locked_until <= :now, true) AS may_log_in,
        EXISTS (SELECT FROM registrations r WHERE r.user_id = u.id AND r.password_tag = :password_tag
            AND r.expires_at > :now) AS is_registered
    FROM users u LEFT JOIN login_stats s ON s.user_id = u.id WHERE u.id = :user_id
""")
# Not FOR SHARE: two who hold it so and then both renew the hash would wait for each other.
_HOLD = sa.text("""
    SELECT id FROM users WHERE id = :user_id AND hashed_password = :hashed FOR NO KEY UPDATE
""")
_RENEW = sa.text("""
    UPDATE users SET hashed_password = :renewed WHERE id = :user_id AND hashed_password = :former
""")


async def ask_for_password(database: Database, *, user_id: UUID) -> StoredPassword:
    """In a transaction of its own; of a user who may log in."""
    rows = await in_one_trip(database, _ASK, user_id, as_user=user_id)
    return StoredPassword(*rows[0]) if rows else StoredPassword(hashed=None, is_verified=False)


async def read_credentials(
    tx: Transaction, *, user_id: UUID, password_tag: bytes, now: datetime
) -> FoundCredentials | None:
    found = await tx.execute(_READ, {"user_id": user_id, "password_tag": password_tag, "now": now})
    row = found.one_or_none()
    if row is None:
        return None
    return FoundCredentials(
        StoredPassword(row.hashed_password, row.is_verified), row.role, row.may_log_in, row.is_registered
    )


async def hold_password(tx: Transaction, stored: StoredPassword, *, user_id: UUID) -> bool:
    """False when it is another one by now; else nobody changes its user until the transaction ends."""
    held = await tx.execute(_HOLD, {"user_id": user_id, "hashed": stored.hashed})
    return held.one_or_none() is not None


async def renew_hash(tx: Transaction, *, user_id: UUID, former: str | None, renewed: str) -> None:
    """The same password hashed anew; a password that was changed in between stays as it is."""
    await tx.execute(_RENEW, {"user_id": user_id, "former": former, "renewed": renewed})
