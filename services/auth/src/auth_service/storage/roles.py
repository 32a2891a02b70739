"""Who may do more than a user, as system: no request's role may touch it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction


@dataclass(frozen=True)
class Holder:
    id: UUID
    email: str
    role: str
    is_active: bool
    is_verified: bool


_COLUMNS = "id, email, role, is_active, is_verified"


async def lock_holder(tx: Transaction, *, email_norm: str) -> Holder | None:
    found = await tx.execute(
        sa.text(f"SELECT {_COLUMNS} FROM users WHERE email_norm = :email_norm FOR UPDATE"),
        {"email_norm": email_norm},
    )
    row = found.mappings().one_or_none()
    return None if row is None else Holder(**row)


async def set_role(tx: Transaction, *, user_id: UUID, role: str, now: datetime) -> None:
    await tx.execute(
        sa.text("""
            UPDATE users SET role = :role, version = version + 1, updated_at = :now WHERE id = :user_id
        """),
        {"user_id": user_id, "role": role, "now": now},
    )


async def list_admins(tx: Transaction) -> list[Holder]:
    found = await tx.execute(
        sa.text(f"SELECT {_COLUMNS} FROM users WHERE role = 'admin' ORDER BY email_norm")
    )
    return [Holder(**row) for row in found.mappings()]
