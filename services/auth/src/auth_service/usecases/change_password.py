from datetime import datetime

from auth_service.domain.macs import Macs
from auth_service.domain.password_rules import PasswordRules
from auth_service.storage.audit import audit
from auth_service.storage.mail_links import end_links
from auth_service.storage.users import read_names, set_password
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.own_password import Claim, is_proven, look_at_password
from auth_service.usecases.request_mail import Mail, request_mail
from common.ids import NewId
from common.postgres.engine import Database


async def change_password(
    database: Database,
    hashing: Hashing,
    macs: Macs,
    rules: PasswordRules,
    claim: Claim,
    *,
    new: str,
    now: datetime,
    new_id: NewId,
) -> bool:
    """Ends every other session and every link that is still in a mailbox, in the same transaction.

    False when the current password is wrong.
    """
    user_id = claim.user_id
    async with database.transaction(as_user=user_id) as tx:
        about = await read_names(tx, user_id=user_id)
    rules.require(new, about=about, pointer="/new_password")
    looked = await look_at_password(database, hashing, macs, claim, now=now)
    hashed_password = await hashing.hash(new) if looked.right else ""
    async with database.transaction(as_user=user_id) as tx:
        refused = "password.change_refused"
        if not await is_proven(tx, database.service, looked, refused=refused, now=now, new_id=new_id):
            return False
        await set_password(tx, user_id=user_id, hashed_password=hashed_password, now=now)
        await end_links(tx, user_id=user_id, now=now)
        await end_sessions(
            tx,
            user_id=user_id,
            reason="password_changed",
            now=now,
            new_id=new_id,
            sparing=claim.session_id,
        )
        entry = new_id()
        await audit(tx, entry_id=entry, action="password.changed", user_id=user_id, data={})
        await request_mail(tx, Mail.PASSWORD_CHANGED, user_id=user_id, about=entry)
        return True
