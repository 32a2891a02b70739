from datetime import datetime, timedelta
from uuid import UUID

from auth_service.domain.links import LIFETIMES, Purpose
from auth_service.storage.mail_links import (
    NewLink,
    count_recent_links,
    insert_link,
    is_the_only_registration,
    read_link,
)
from auth_service.storage.users import lock_user, read_password_hash
from common.postgres.engine import Transaction

COOL_DOWN = timedelta(minutes=1)
"""Between two mails of one kind to one account."""


async def prepare_link(
    tx: Transaction, purpose: Purpose, *, user_id: UUID, link_id: UUID, now: datetime
) -> Purpose | None:
    """In the mail's job, as its user: for what the link is that is there to be sent, also when asked again.

    An address that several have registered is not verified with the password of one of them: who reads its
    mails chooses another, which verifies it, too.
    """
    state = await lock_user(tx, user_id=user_id)
    if state is None or not state.is_active:
        return None
    made = await read_link(tx, user_id=user_id, link_id=link_id, now=now)
    if made is not None:
        return made.purpose if made.works else None
    hashed_password = None
    if purpose is Purpose.VERIFY_EMAIL:
        hashed_password = await read_password_hash(tx, user_id=user_id)
        if state.is_verified or hashed_password is None:
            return None
        if not await is_the_only_registration(tx, user_id=user_id, hashed_password=hashed_password):
            purpose, hashed_password = Purpose.RESET_PASSWORD, None
    if await count_recent_links(tx, user_id=user_id, purpose=purpose, since=now - COOL_DOWN):
        return None
    link = NewLink(
        id=link_id,
        user_id=user_id,
        purpose=purpose,
        created_at=now,
        expires_at=now + LIFETIMES[purpose],
        hashed_password=hashed_password,
    )
    insert_link(tx, link)
    return purpose
