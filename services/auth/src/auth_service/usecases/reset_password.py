from datetime import datetime

from auth_service.domain.links import LinkToken, Purpose
from auth_service.domain.password_rules import PasswordRules
from auth_service.storage.audit import audit
from auth_service.storage.mail_links import end_links, link_works, use_link
from auth_service.storage.users import lock_user, read_names, set_password
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.request_mail import Mail, request_mail
from common.ids import NewId
from common.postgres.engine import Database


async def reset_password(
    database: Database,
    hashing: Hashing,
    rules: PasswordRules,
    link: LinkToken,
    *,
    new: str,
    now: datetime,
    new_id: NewId,
) -> bool:
    """Ends all sessions and all other links; whoever read the mail has shown that the address is theirs.

    False when the link was used before or has expired.
    """
    async with database.transaction(as_user=link.user_id) as tx:
        if not await link_works(tx, user_id=link.user_id, link_id=link.link_id, now=now):
            return False
        about = await read_names(tx, user_id=link.user_id)
    rules.require(new, about=about, pointer="/new_password")
    hashed_password = await hashing.hash(new)
    async with database.transaction(as_user=link.user_id) as tx:
        state = await lock_user(tx, user_id=link.user_id)
        used = await use_link(
            tx, user_id=link.user_id, link_id=link.link_id, purpose=Purpose.RESET_PASSWORD, now=now
        )
        if state is None or used is None or not state.is_active:
            return False
        await set_password(tx, user_id=link.user_id, hashed_password=hashed_password, now=now, verified=True)
        await end_links(tx, user_id=link.user_id, now=now)
        await end_sessions(tx, user_id=link.user_id, reason="password_reset", now=now, new_id=new_id)
        entry = new_id()
        await audit(tx, entry_id=entry, action="password.reset", user_id=link.user_id, data={})
        await request_mail(tx, Mail.PASSWORD_CHANGED, user_id=link.user_id, about=entry)
        return True
