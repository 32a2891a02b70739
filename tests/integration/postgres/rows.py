"""Rows of users, as a user writes and sees them: the audit log needs no other service."""

from uuid import UUID

import sqlalchemy as sa

from common.ids import new_id
from common.postgres.engine import Transaction

_WRITE = sa.text("INSERT INTO audit_log (id, actor, action, user_id) VALUES (:id, 'test', :action, :user_id)")


async def write(tx: Transaction, user_id: UUID | None, action: str = "written") -> UUID:
    row_id = new_id()
    await tx.execute(_WRITE, {"id": row_id, "action": action, "user_id": user_id})
    return row_id


async def owners_seen(tx: Transaction) -> list[UUID]:
    return list((await tx.execute(sa.text("SELECT user_id FROM audit_log ORDER BY id"))).scalars())


async def count(superuser) -> int:
    return await superuser.fetchval("select count(*) from auth.audit_log")
