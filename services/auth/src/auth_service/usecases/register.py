from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.domain.email import EmailAddress
from auth_service.domain.links import LIFETIMES, Purpose
from auth_service.domain.macs import Macs
from auth_service.domain.registrations import KNOWN_FOR, password_tag
from auth_service.storage.audit import audit
from auth_service.storage.login_stats import begin_counting
from auth_service.storage.mail_links import NewLink, counting_recent_links, insert_link, number_of_links
from auth_service.storage.registrations import keeping_registration, was_kept
from auth_service.storage.users import NewUser, find_user_id, insert_and_lock_user
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.prepare_link import COOL_DOWN
from auth_service.usecases.request_mail import Mail, request_mail
from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.erasure import asking_to_begin, may_have_begun
from common.ids import NewId
from common.messaging.outbox import record
from common.postgres.asking import ask, found_first
from common.postgres.engine import Database, Transaction


@dataclass(frozen=True)
class Registration:
    email: EmailAddress
    password: str
    full_name: str | None
    timezone: str
    language: str


async def register(
    database: Database,
    hashing: Hashing,
    macs: Macs,
    registration: Registration,
    *,
    now: datetime,
    new_id: NewId,
) -> None:
    """The same statements whether or not the address was free, and who may know is told by mail.

    An address that is not verified belongs to nobody: each request for it gets a link of its own, which sets
    the password of that request. So nobody gets into an account that somebody else has begun for them.
    """
    hashed_password = await hashing.hash(registration.password)
    compared = registration.email.compared
    user_id = await find_user_id(database, email_norm=compared) or new_id()
    if await _register_as(database, macs, user_id, registration, hashed_password, now=now, new_id=new_id):
        return
    # Somebody registered the address in between: it has an id now. Or its account was erased: the id is over.
    user_id = await find_user_id(database, email_norm=compared) or new_id()
    await _register_as(database, macs, user_id, registration, hashed_password, now=now, new_id=new_id)


async def _register_as(
    database: Database,
    macs: Macs,
    user_id: UUID,
    registration: Registration,
    hashed_password: str,
    *,
    now: datetime,
    new_id: NewId,
) -> bool:
    """False when the address is another user's, or its account was erased a moment ago."""
    async with database.transaction(as_user=user_id, first=asking_to_begin(user_id=user_id)) as tx:
        user = NewUser(
            id=user_id,
            email=registration.email.shown,
            email_norm=registration.email.compared,
            hashed_password=hashed_password,
            full_name=registration.full_name,
            timezone=registration.timezone,
            language=registration.language,
        )
        if not may_have_begun(found_first(tx)):
            return False
        is_new, state = await insert_and_lock_user(tx, user)
        if state is None:
            return False
        begin_counting(tx, user_id=user_id)
        if is_new:
            await record(tx, _registered(user, event_id=new_id(), now=now))
        else:
            # one statement here too: both ways take as long
            await audit(tx, entry_id=new_id(), action="account.registered_again", user_id=user_id, data={})
        kept, links = await ask(
            tx,
            keeping_registration(
                user_id=user_id,
                password_tag=password_tag(macs, user_id=user_id, password=registration.password),
                expires_at=now + KNOWN_FOR,
            ),
            counting_recent_links(user_id=user_id, purpose=Purpose.VERIFY_EMAIL, since=now - COOL_DOWN),
        )
        # another's mail of a moment ago stands for nobody: its link would set the other's password
        if not (was_kept(kept) and number_of_links(links)):
            await _mail(tx, user_id, hashed_password, is_verified=state.is_verified, now=now, new_id=new_id)
        return True


async def _mail(
    tx: Transaction,
    user_id: UUID,
    hashed_password: str,
    *,
    is_verified: bool,
    now: datetime,
    new_id: NewId,
) -> None:
    purpose = Purpose.VERIFY_EMAIL
    link = NewLink(
        id=new_id(),
        user_id=user_id,
        purpose=purpose,
        created_at=now,
        expires_at=now + LIFETIMES[purpose],
        used_at=now if is_verified else None,
        hashed_password=None if is_verified else hashed_password,
    )
    insert_link(tx, link)
    mail = Mail.ACCOUNT_EXISTS if is_verified else Mail.VERIFY_EMAIL
    await request_mail(tx, mail, user_id=user_id, about=link.id)


def _registered(user: NewUser, *, event_id: UUID, now: datetime) -> Event[UserRegistered]:
    return Event(
        id=event_id,
        key=str(user.id),
        user_id=user.id,
        time=now,
        data=UserRegistered(
            user_id=user.id,
            version=1,
            registered_at=now,
            full_name=user.full_name,
            timezone=user.timezone,
            language=user.language,
        ),
    )
