from datetime import datetime

from auth_service.domain.email import EmailAddress
from auth_service.domain.links import LIFETIMES, Purpose
from auth_service.domain.macs import Macs
from auth_service.storage.audit import audit
from auth_service.storage.mail_links import NewLink, count_recent_links, insert_link
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.own_password import Claim, is_proven, look_at_password
from auth_service.usecases.prepare_link import COOL_DOWN
from auth_service.usecases.request_mail import Mail, request_mail
from common.ids import NewId
from common.postgres.engine import Database


async def ask_for_email_change(
    database: Database,
    hashing: Hashing,
    macs: Macs,
    email: EmailAddress,
    claim: Claim,
    *,
    now: datetime,
    new_id: NewId,
) -> bool:
    """A link goes to the new address, word of it to the old one. False when the password is wrong.

    Whether somebody else has the address is found out when the link is used, by whoever reads its mails.
    """
    user_id, purpose = claim.user_id, Purpose.CONFIRM_EMAIL
    looked = await look_at_password(database, hashing, macs, claim, now=now)
    async with database.transaction(as_user=user_id) as tx:
        refused = "email.change_refused"
        if not await is_proven(tx, database.service, looked, refused=refused, now=now, new_id=new_id):
            return False
        if await count_recent_links(tx, user_id=user_id, purpose=purpose, since=now - COOL_DOWN):
            return True
        link = NewLink(
            id=new_id(),
            user_id=user_id,
            purpose=purpose,
            created_at=now,
            expires_at=now + LIFETIMES[purpose],
            email=email.shown,
            email_norm=email.compared,
        )
        insert_link(tx, link)
        await request_mail(tx, Mail.CONFIRM_EMAIL, user_id=user_id, about=link.id)
        await request_mail(tx, Mail.EMAIL_CHANGE_ASKED, user_id=user_id, about=link.id)
        await audit(tx, entry_id=new_id(), action="email.change_asked", user_id=user_id, data={})
        return True
