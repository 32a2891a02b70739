from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth_service.domain.macs import Macs
from auth_service.storage.erasures import begin_erasure
from auth_service.storage.mail_recipients import read_recipient
from auth_service.storage.tables import SCHEMA
from auth_service.storage.users import lock_user
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.own_password import Claim, is_proven, look_at_password
from auth_service.usecases.remove_exports import ask_to_remove_all
from auth_service.usecases.request_mail import Mail, request_mail
from common.audit import audit
from common.contracts.auth import UserErased
from common.contracts.envelope import Event
from common.erasure import lock_users, remember_erased, sweep
from common.ids import NewId
from common.messaging.outbox import record
from common.postgres.engine import Database, Transaction


class EraseRefusal(StrEnum):
    """A returned outcome, not an exception: what it leaves behind is committed."""

    WRONG = "wrong"
    GONE = "gone"


async def erase_account(
    database: Database,
    hashing: Hashing,
    macs: Macs,
    *,
    user_id: UUID,
    claim: Claim | None,
    now: datetime,
    new_id: NewId,
) -> EraseRefusal | None:
    """Without a claim the caller has proved in another way who they are, a moment ago.

    All that auth holds goes in one transaction, the address with it; the others hear of it by the event.
    """
    looked = None if claim is None else await look_at_password(database, hashing, macs, claim, now=now)
    refused = "account.erasure_refused"

    async def use_case(tx: Transaction) -> EraseRefusal | None:
        await lock_users(tx, [user_id])
        state = await lock_user(tx, user_id=user_id)
        recipient = await read_recipient(tx, user_id=user_id)
        if state is None or recipient is None:
            return EraseRefusal.GONE
        if looked is not None and not await is_proven(
            tx, database.service, looked, refused=refused, now=now, new_id=new_id
        ):
            return EraseRefusal.WRONG
        await end_sessions(tx, user_id=user_id, reason="erased", now=now, new_id=new_id)
        await remember_erased(tx, [user_id])
        await sweep(tx, SCHEMA, [user_id])
        erased = UserErased(user_id=user_id, version=state.version + 1, erased_at=now)
        await begin_erasure(tx, recipient, user_id=user_id, version=erased.version, now=now)
        await request_mail(tx, Mail.ACCOUNT_ERASED, user_id=user_id, about=user_id)
        await ask_to_remove_all(tx, user_id=user_id, now=now)
        await audit(tx, entry_id=new_id(), action="account.erased", user_id=user_id, data={})
        await record(tx, Event(id=new_id(), key=str(user_id), user_id=user_id, time=now, data=erased))
        return None

    return await database.in_transaction(user_id, use_case)
