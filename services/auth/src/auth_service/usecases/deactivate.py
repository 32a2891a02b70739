from datetime import datetime

from auth_service.domain.macs import Macs
from auth_service.storage.audit import audit
from auth_service.storage.users import close_account
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.own_password import Claim, is_proven, look_at_password
from common.ids import NewId
from common.postgres.becoming import become
from common.postgres.context import Context
from common.postgres.engine import Database


async def deactivate(
    database: Database, hashing: Hashing, macs: Macs, claim: Claim, *, now: datetime, new_id: NewId
) -> bool:
    """False when the password is wrong. A user's role may not touch `is_active`: admins open it again."""
    user_id = claim.user_id
    looked = await look_at_password(database, hashing, macs, claim, now=now)
    async with database.transaction(as_user=user_id) as tx:
        refused = "account.deactivation_refused"
        if not await is_proven(tx, database.service, looked, refused=refused, now=now, new_id=new_id):
            return False
        become(tx, database.service, Context.ADMIN)
        await close_account(tx, user_id=user_id, now=now)
        await end_sessions(tx, user_id=user_id, reason="deactivated", now=now, new_id=new_id)
        await audit(tx, entry_id=new_id(), action="account.deactivated", user_id=user_id, data={})
        return True
