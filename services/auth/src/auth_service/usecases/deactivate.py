from datetime import datetime
from uuid import UUID

from auth_service.storage.audit import audit
from auth_service.storage.users import close_account, read_password_hash
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.hashing import Hashing
from common.ids import NewId
from common.postgres.context import Context
from common.postgres.engine import Database


async def deactivate(
    database: Database,
    hashing: Hashing,
    *,
    user_id: UUID,
    password: str,
    now: datetime,
    new_id: NewId,
) -> bool:
    """False when the password is wrong. A user's role may not touch `is_active`: admins open it again."""
    async with database.transaction(as_user=user_id) as tx:
        stored = await read_password_hash(tx, user_id=user_id)
    if not await hashing.matches(password, stored):
        return False
    async with database.transaction(as_user=Context.ADMIN) as tx:
        await close_account(tx, user_id=user_id, now=now)
        await end_sessions(tx, user_id=user_id, reason="deactivated", now=now, new_id=new_id)
        await audit(tx, entry_id=new_id(), action="account.deactivated", user_id=user_id, data={})
        return True
