from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth_service.domain.password_rules import PasswordRules
from auth_service.storage.audit import audit
from auth_service.storage.mail_links import end_links
from auth_service.storage.users import lock_user, read_names, read_password_hash, set_password
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.request_mail import Mail, request_mail
from common.ids import NewId
from common.postgres.engine import Database


class ChangeRefusal(StrEnum):
    """A returned outcome, not an exception: what it leaves behind is committed."""

    WRONG = "wrong"
    CHANGED_MEANWHILE = "changed_meanwhile"


async def change_password(
    database: Database,
    hashing: Hashing,
    rules: PasswordRules,
    *,
    user_id: UUID,
    session_id: UUID | None,
    current: str,
    new: str,
    now: datetime,
    new_id: NewId,
) -> ChangeRefusal | None:
    """Ends every other session and every link that is still in a mailbox, in the same transaction."""
    async with database.transaction(as_user=user_id) as tx:
        stored = await read_password_hash(tx, user_id=user_id)
        about = await read_names(tx, user_id=user_id)
    rules.require(new, about=about, pointer="/new_password")
    right = await hashing.matches(current, stored)
    hashed_password = await hashing.hash(new) if right else ""
    async with database.transaction(as_user=user_id) as tx:
        if not right:
            await audit(tx, entry_id=new_id(), action="password.change_refused", user_id=user_id, data={})
            return ChangeRefusal.WRONG
        state = await lock_user(tx, user_id=user_id)
        if state is None or await read_password_hash(tx, user_id=user_id) != stored:
            return ChangeRefusal.CHANGED_MEANWHILE
        await set_password(tx, user_id=user_id, hashed_password=hashed_password, now=now)
        await end_links(tx, user_id=user_id, now=now)
        await end_sessions(
            tx,
            user_id=user_id,
            reason="password_changed",
            now=now,
            new_id=new_id,
            sparing=session_id,
        )
        entry = new_id()
        await audit(tx, entry_id=entry, action="password.changed", user_id=user_id, data={})
        await request_mail(tx, Mail.PASSWORD_CHANGED, user_id=user_id, about=entry)
        return None
