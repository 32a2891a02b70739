from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from common.postgres.asking import ask
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from common.postgres.one_trip import in_one_trip
from common.postgres.trip import Row, Step


@dataclass(frozen=True)
class NewUser:
    id: UUID
    email: str
    email_norm: str
    hashed_password: str
    full_name: str | None
    timezone: str
    language: str


_INSERT = """
    INSERT INTO users (id, email, email_norm, hashed_password, full_name, timezone, language)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING RETURNING true
"""
_FIND_ID = "SELECT id FROM users WHERE email_norm = $1"
_STATE = "SELECT is_active, is_verified, role, version FROM users WHERE id = $1"
_LOCK = f"{_STATE} FOR UPDATE"


async def find_user_id(database: Database, *, email_norm: str) -> UUID | None:
    """As login, in a transaction of its own: the only question that is answered before there is a user."""
    found = await in_one_trip(database, _FIND_ID, email_norm, as_user=Context.LOGIN)
    return found[0][0] if found else None


async def read_password_hash(tx: Transaction, *, user_id: UUID) -> str | None:
    found = await tx.execute(
        sa.text("SELECT hashed_password FROM users WHERE id = :user_id AND is_active"), {"user_id": user_id}
    )
    return found.scalar_one_or_none()


@dataclass(frozen=True)
class OwnLogin:
    email_norm: str
    hashed_password: str | None


async def read_own_login(tx: Transaction, *, user_id: UUID) -> OwnLogin | None:
    found = await tx.execute(
        sa.text("SELECT email_norm, hashed_password FROM users WHERE id = :user_id AND is_active"),
        {"user_id": user_id},
    )
    row = found.mappings().one_or_none()
    return None if row is None else OwnLogin(**row)


async def read_names(tx: Transaction, *, user_id: UUID) -> tuple[str | None, ...]:
    """What a user's password must not be made of: the address and the full name."""
    found = await tx.execute(
        sa.text("SELECT email, full_name FROM users WHERE id = :user_id"), {"user_id": user_id}
    )
    row = found.one_or_none()
    return () if row is None else tuple(row)


@dataclass(frozen=True)
class UserState:
    is_active: bool
    is_verified: bool
    role: str
    version: int


async def insert_and_lock_user(tx: Transaction, user: NewUser) -> tuple[bool, UserState | None]:
    """Whether the address was nobody's, and who has the id now; without either nothing is changed."""
    who = (user.id, user.email, user.email_norm, user.hashed_password)
    row = (*who, user.full_name, user.timezone, user.language)
    inserted, locked = await ask(tx, Step(_INSERT, row), Step(_LOCK, (user.id,)))
    return bool(inserted), _state(locked)


async def read_user_state(tx: Transaction, *, user_id: UUID) -> UserState | None:
    [found] = await ask(tx, Step(_STATE, (user_id,)))
    return _state(found)


async def lock_user(tx: Transaction, *, user_id: UUID) -> UserState | None:
    """Until the transaction ends nobody else changes this user."""
    [locked] = await ask(tx, Step(_LOCK, (user_id,)))
    return _state(locked)


async def verify_user(tx: Transaction, *, user_id: UUID, hashed_password: str, now: datetime) -> None:
    """The password is that of the request whose link was used."""
    await tx.execute(
        sa.text("""
            UPDATE users SET is_verified = true, hashed_password = :hashed_password,
                version = version + 1, updated_at = :now
            WHERE id = :user_id
        """),
        {"user_id": user_id, "hashed_password": hashed_password, "now": now},
    )


async def set_password(
    tx: Transaction, *, user_id: UUID, hashed_password: str, now: datetime, verified: bool = False
) -> None:
    """`verified` when a link proved that the address is the user's."""
    await tx.execute(
        sa.text("""
            UPDATE users SET hashed_password = :hashed_password, is_verified = is_verified OR :verified,
                version = version + CAST(:verified AND NOT is_verified AS int), updated_at = :now
            WHERE id = :user_id
        """),
        {"user_id": user_id, "hashed_password": hashed_password, "verified": verified, "now": now},
    )


async def set_email(
    tx: Transaction, *, user_id: UUID, email: str, email_norm: str, now: datetime
) -> str | None:
    """The address until now; None when the new one is another user's. Goes on after a refusal."""
    try:
        async with tx.begin_nested():
            changed = await tx.execute(
                sa.text("""
                    UPDATE users u SET email = :email, email_norm = :email_norm, is_verified = true,
                        version = u.version + 1, updated_at = :now
                    FROM users former WHERE u.id = :user_id AND former.id = u.id
                    RETURNING former.email
                """),
                {"user_id": user_id, "email": email, "email_norm": email_norm, "now": now},
            )
            return changed.scalar_one()
    except IntegrityError:
        return None


async def close_account(tx: Transaction, *, user_id: UUID, now: datetime) -> None:
    """As admin."""
    await tx.execute(
        sa.text("""
            UPDATE users SET is_active = false, version = version + 1, updated_at = :now WHERE id = :user_id
        """),
        {"user_id": user_id, "now": now},
    )


def _state(found: Sequence[Row]) -> UserState | None:
    return UserState(*found[0]) if found else None
