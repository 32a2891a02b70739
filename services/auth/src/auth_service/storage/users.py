from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

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


async def read_role(tx: Transaction, *, user_id: UUID) -> str | None:
    """None for an account that is not active."""
    found = await tx.execute(
        sa.text("SELECT role FROM users WHERE id = :user_id AND is_active"), {"user_id": user_id}
    )
    return found.scalar_one_or_none()
