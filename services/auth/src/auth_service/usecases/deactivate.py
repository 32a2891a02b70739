from datetime import datetime
from uuid import UUID

from auth_service.storage.audit import audit
from auth_service.storage.users import close_account, lock_user, read_password_hash
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.hashing import Hashing
from common.ids import NewId
from common.postgres.becoming import become
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
    right = await hashing.matches(password, stored)
    async with database.transaction(as_user=user_id) as tx:
        await lock_user(tx, user_id=user_id)
        # whoever has set another password in between has taken the account back from this one
        if not right or await read_password_hash(tx, user_id=user_id) != stored:
            await audit(
                tx, entry_id=new_id(), action="account.deactivation_refused", user_id=user_id, data={}
            )
            return False
        await become(tx, database.service, Context.ADMIN)
        await close_account(tx, user_id=user_id, now=now)
        await end_sessions(tx, user_id=user_id, reason="deactivated", now=now, new_id=new_id)
        await audit(tx, entry_id=new_id(), action="account.deactivated", user_id=user_id, data={})
        return True
