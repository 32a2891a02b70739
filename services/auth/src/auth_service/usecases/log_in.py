from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth_service.domain.email import EmailAddress
from auth_service.domain.known_devices import KnownDevice
from auth_service.domain.login_locks import Counters, counters
from auth_service.domain.macs import Macs
from auth_service.domain.registrations import password_tag
from auth_service.domain.sessions import Device, SessionLimits
from auth_service.storage.audit import audit
from auth_service.storage.login_stats import count_failed_login, count_login
from auth_service.storage.registrations import forget_registration, try_registration
from auth_service.storage.users import (
    FoundCredentials,
    ask_for_password_hash,
    ask_for_user_id,
    read_credentials,
    renew_hash,
)
from auth_service.usecases.count_attempts import count_wrong, let_through, refuse_a_login_while_locked
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.start_session import SessionGrant, start_session
from common.ids import NewId
from common.postgres.becoming import become
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction

_TRIES = 2
"""A hash that changed while the password was held against it was mostly made anew by another login."""


class LoginRefusal(StrEnum):
    """A returned outcome, not an exception: what it leaves behind is committed."""

    WRONG = "wrong"
    UNVERIFIED = "unverified"
    """The password of a registration whose link was not used: the address may still be somebody else's.

    Of an address that has an account already, too: a registration tells nobody whether it was one.
    """


@dataclass(frozen=True)
class Credentials:
    email: EmailAddress
    password: str
    known_device: KnownDevice | None = None


@dataclass(frozen=True)
class LoggedIn:
    session: SessionGrant
    device: KnownDevice
    """Known from now on."""


async def log_in(
    database: Database,
    hashing: Hashing,
    macs: Macs,
    credentials: Credentials,
    *,
    device: Device,
    label: str | None,
    limits: SessionLimits,
    new_id: NewId,
    now: datetime,
) -> LoggedIn | LoginRefusal:
    """An unknown address goes the whole way as a random user, so that both paths run the same statements."""
    service, email_norm = database.service, credentials.email.compared
    user_id = await ask_for_user_id(database, email_norm=email_norm) or new_id()
    known = credentials.known_device
    if known is not None and known.user_id != user_id:
        known = None
    counted_by = counters(
        macs,
        email_norm=email_norm,
        network=device.network,
        known_device=known and known.device_id,
    )
    await refuse_a_login_while_locked(database, counted_by, now=now)
    stored = await ask_for_password_hash(database, user_id=user_id)
    tag = password_tag(macs, user_id=user_id, password=credentials.password)
    for _ in range(_TRIES):
        checked = await hashing.check(credentials.password, stored)
        async with database.transaction(as_user=user_id) as tx:
            found = await read_credentials(tx, user_id=user_id, password_tag=tag, now=now)
            if checked.right and found is not None and found.hashed_password != stored:
                stored = found.hashed_password
                continue
            refusal = _refusal(checked.right, found)
            if found is None or refusal is not None:
                # a guess that was registered before it is tried counts as any other, but only once
                if refusal is not LoginRefusal.UNVERIFIED or await try_registration(
                    tx, user_id=user_id, password_tag=tag, now=now
                ):
                    await _leave_a_trace(
                        tx, service, counted_by, user_id=user_id, device=device, new_id=new_id, now=now
                    )
                else:
                    await become(tx, service, Context.LOGIN)
                    await let_through(tx, counted_by, full=False, now=now)
                return refusal or LoginRefusal.WRONG
            if found.is_registered:
                # their own: after the next change of it this password is a wrong one
                await forget_registration(tx, user_id=user_id, password_tag=tag)
            await count_login(tx, user_id=user_id, now=now)
            if checked.renewed is not None and stored is not None:
                await renew_hash(tx, user_id=user_id, former=stored, renewed=checked.renewed)
            session = await start_session(
                tx,
                user_id=user_id,
                role=found.role,
                amr=("pwd",),
                device=device,
                label=label,
                limits=limits,
                now=now,
                new_id=new_id,
            )
            await become(tx, service, Context.LOGIN)
            await let_through(tx, counted_by, full=True, now=now)
        return LoggedIn(session, known or KnownDevice(user_id=user_id, device_id=new_id()))
    return LoginRefusal.WRONG


def _refusal(right: bool, found: FoundCredentials | None) -> LoginRefusal | None:
    """By the registration alone, never by the account: that would tell whose the address is."""
    if found is not None and right and found.may_log_in and found.is_verified:
        return None
    registered = found is not None and found.is_registered
    return LoginRefusal.UNVERIFIED if registered else LoginRefusal.WRONG


async def _leave_a_trace(
    tx: Transaction,
    service: str,
    counted_by: Counters,
    *,
    user_id: UUID,
    device: Device,
    new_id: NewId,
    now: datetime,
) -> None:
    await count_failed_login(tx, user_id=user_id)
    await become(tx, service, Context.LOGIN)
    locked_until = await count_wrong(tx, counted_by, now=now)
    if locked_until is None:
        return
    # The beginning of a lock and not each failure: a guesser shall not fill the log.
    await become(tx, service, user_id)
    data = {"network": device.network, "locked_until": locked_until.isoformat()}
    await audit(tx, entry_id=new_id(), action="login.locked", user_id=user_id, data=data)
