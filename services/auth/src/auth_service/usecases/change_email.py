from datetime import datetime
from enum import StrEnum

from auth_service.domain.links import LinkToken, Purpose
from auth_service.storage.audit import audit
from auth_service.storage.mail_links import end_links, keep_former_email, use_link
from auth_service.storage.users import lock_user, set_email
from auth_service.usecases.request_mail import Mail, request_mail
from common.ids import NewId
from common.postgres.engine import Database


class EmailRefusal(StrEnum):
    """A returned outcome, not an exception: the link is used up either way."""

    LINK = "link"
    TAKEN = "taken"


async def change_email(
    database: Database, link: LinkToken, *, now: datetime, new_id: NewId
) -> EmailRefusal | None:
    """The old address hears of it, and every other link that was mailed leads nowhere."""
    user_id = link.user_id
    async with database.transaction(as_user=user_id) as tx:
        state = await lock_user(tx, user_id=user_id)
        used = await use_link(
            tx, user_id=user_id, link_id=link.link_id, purpose=Purpose.CONFIRM_EMAIL, now=now
        )
        if state is None or not state.is_active or used is None:
            return EmailRefusal.LINK
        if used.email is None or used.email_norm is None:
            return EmailRefusal.LINK
        former = await set_email(tx, user_id=user_id, email=used.email, email_norm=used.email_norm, now=now)
        if former is None:
            return EmailRefusal.TAKEN
        await keep_former_email(tx, user_id=user_id, link_id=link.link_id, former_email=former)
        await end_links(tx, user_id=user_id, now=now)
        await request_mail(tx, Mail.EMAIL_CHANGED, user_id=user_id, about=link.link_id)
        await audit(tx, entry_id=new_id(), action="email.changed", user_id=user_id, data={})
        return None
