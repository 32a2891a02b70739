from datetime import datetime

from auth_service.domain.links import LinkToken, Purpose
from auth_service.storage.audit import audit
from auth_service.storage.mail_links import end_links, use_link
from auth_service.storage.users import lock_user, verify_user
from auth_service.usecases.end_sessions import end_sessions
from common.ids import NewId
from common.postgres.engine import Database


async def verify_email(database: Database, link: LinkToken, *, now: datetime, new_id: NewId) -> bool:
    """The account belongs to whoever reads the mail: with that request's password, and nobody else in it.

    False when the link was used before, has expired, or is not the way in any more.
    """
    async with database.transaction(as_user=link.user_id) as tx:
        state = await lock_user(tx, user_id=link.user_id)
        used = await use_link(
            tx, user_id=link.user_id, link_id=link.link_id, purpose=Purpose.VERIFY_EMAIL, now=now
        )
        if state is None or used is None or used.hashed_password is None or state.is_verified:
            return False
        await verify_user(tx, user_id=link.user_id, hashed_password=used.hashed_password, now=now)
        await end_links(tx, user_id=link.user_id, now=now)
        await end_sessions(tx, user_id=link.user_id, reason="verified", now=now, new_id=new_id)
        await audit(tx, entry_id=new_id(), action="account.verified", user_id=link.user_id, data={})
        return True
