"""Whom a mail goes to and what it tells them, decided when it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from auth_service.domain.links import LIFETIMES, LinkToken, Purpose
from auth_service.domain.macs import Macs
from auth_service.storage.erasures import read_farewell
from auth_service.storage.mail_links import link_works
from auth_service.storage.mail_recipients import MailRecipient, read_link_addresses, read_recipient
from auth_service.usecases.prepare_link import prepare_link
from auth_service.usecases.request_mail import Mail
from common.postgres.engine import Transaction

_LIFETIMES = {
    "verify_hours": str(LIFETIMES[Purpose.VERIFY_EMAIL] // timedelta(hours=1)),
    "reset_minutes": str(LIFETIMES[Purpose.RESET_PASSWORD] // timedelta(minutes=1)),
    "confirm_hours": str(LIFETIMES[Purpose.CONFIRM_EMAIL] // timedelta(hours=1)),
}
_PAGES = {
    Purpose.VERIFY_EMAIL: "verify-email",
    Purpose.RESET_PASSWORD: "reset-password",
    Purpose.CONFIRM_EMAIL: "confirm-email",
}


@dataclass(frozen=True)
class Addressed:
    mail: Mail
    to: str
    language: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Links:
    """Where the links of mails lead to."""

    console_url: str
    macs: Macs

    def to(self, purpose: Purpose, token: LinkToken) -> str:
        query = urlencode({"token": token.written(self.macs, purpose)})
        return f"{self.console_url.rstrip('/')}/{_PAGES[purpose]}?{query}"


async def address_mail(
    tx: Transaction, mail: Mail, links: Links, *, user_id: UUID, about: UUID, now: datetime
) -> Addressed | None:
    """In the mail's job, as its user. None when it should not be sent: nobody is there, the link is over."""
    if mail is Mail.ACCOUNT_ERASED:
        farewell = await read_farewell(tx, user_id=user_id)
        return None if farewell is None else Addressed(mail, farewell.email, farewell.language)
    recipient = await read_recipient(tx, user_id=user_id)
    if recipient is None:
        return None
    match mail:
        case Mail.VERIFY_EMAIL | Mail.RESET_PASSWORD:
            purpose = await prepare_link(tx, Purpose(mail.value), user_id=user_id, link_id=about, now=now)
            if purpose is None:
                return None
            values = _LIFETIMES | {"link": links.to(purpose, LinkToken(user_id, about))}
            return Addressed(Mail(purpose.value), recipient.email, recipient.language, values)
        case Mail.CONFIRM_EMAIL | Mail.EMAIL_CHANGE_ASKED | Mail.EMAIL_CHANGED:
            return await _address_change(tx, mail, links, recipient, LinkToken(user_id, about), now=now)
        case Mail.ACCOUNT_EXISTS | Mail.PASSWORD_CHANGED | Mail.EXPORT_READY:
            return Addressed(mail, recipient.email, recipient.language)


async def _address_change(
    tx: Transaction, mail: Mail, links: Links, recipient: MailRecipient, link: LinkToken, *, now: datetime
) -> Addressed | None:
    addresses = await read_link_addresses(tx, user_id=link.user_id, link_id=link.link_id)
    if addresses is None:
        return None
    values = _LIFETIMES | {"new_address": addresses.email or ""}
    to = recipient.email
    if mail is Mail.CONFIRM_EMAIL:
        to = addresses.email
        values["link"] = links.to(Purpose.CONFIRM_EMAIL, link)
        if not await link_works(tx, user_id=link.user_id, link_id=link.link_id, now=now):
            return None
    elif mail is Mail.EMAIL_CHANGED:
        to = addresses.former_email
    return None if to is None else Addressed(mail, to, recipient.language, values)
