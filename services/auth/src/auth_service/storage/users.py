from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from common.postgres.engine import Transaction


@dataclass(frozen=True)
class NewUser:
    id: UUID
    email: str
    email_norm: str
    hashed_password: str
    full_name: str | None
    timezone: str
    language: str


async def insert_user(tx: Transaction, user: NewUser) -> bool:
    """False when somebody has this address already; nothing is changed then."""
    inserted = await tx.execute(
        sa.text("""
            INSERT INTO users (id, email, email_norm, hashed_password, full_name, timezone, language)
            VALUES (:id, :email, :email_norm, :hashed_password, :full_name, :timezone, :language)
            ON CONFLICT DO NOTHING
        """),
        vars(user),
    )
    return inserted.rowcount == 1


async def find_user_id(tx: Transaction, *, email_norm: str) -> UUID | None:
    """As login: the only question that is answered before there is a user."""
    found = await tx.execute(
        sa.text("SELECT id FROM users WHERE email_norm = :email_norm"), {"email_norm": email_norm}
    )
    return found.scalar_one_or_none()


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


_STATE = "SELECT is_active, is_verified, role, version FROM users WHERE id = :user_id"


async def read_user_state(tx: Transaction, *, user_id: UUID) -> UserState | None:
    return await _state(tx, _STATE, user_id)


async def lock_user(tx: Transaction, *, user_id: UUID) -> UserState | None:
    """Until the transaction ends nobody else changes this user."""
    return await _state(tx, f"{_STATE} FOR UPDATE", user_id)


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


async def _state(tx: Transaction, statement: str, user_id: UUID) -> UserState | None:
    found = await tx.execute(sa.text(statement), {"user_id": user_id})
    row = found.mappings().one_or_none()
    return None if row is None else UserState(**row)
