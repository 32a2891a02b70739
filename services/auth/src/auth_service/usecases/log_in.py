from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth_service.domain.email import EmailAddress
from auth_service.domain.errors import login_locked
from auth_service.domain.known_devices import KnownDevice
from auth_service.domain.login_locks import Counters, counters
from auth_service.domain.macs import Macs
from auth_service.domain.passwords import Checked
from auth_service.domain.registrations import password_tag
from auth_service.storage.audit import audit
from auth_service.storage.credentials import (
    FoundCredentials,
    StoredPassword,
    ask_for_password,
    hold_password,
    read_credentials,
    renew_hash,
)
from auth_service.storage.login_stats import count_failed_login, count_login
from auth_service.storage.registrations import forget_registration, try_registration
from auth_service.storage.sessions import NewSession
from auth_service.storage.usual_login import begin_usual_session, find_login
from auth_service.usecases.count_attempts import count_wrong, let_through
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.start_session import SessionGrant, SignIn, grant_of, new_session, start_session
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
    sign_in: SignIn,
    *,
    new_id: NewId,
    now: datetime,
) -> LoggedIn | LoginRefusal:
    """An unknown address goes the whole way as a random user, so that both paths run the same statements."""
    email_norm, known = credentials.email.compared, credentials.known_device

    def counted(known_device: UUID | None) -> Counters:
        network = sign_in.device.network
        return counters(macs, email_norm=email_norm, network=network, known_device=known_device)

    anywhere, on_device = counted(None), counted(known.device_id) if known else {}
    found = await find_login(
        database,
        email_norm=email_norm,
        who=anywhere,
        device_of=known and known.user_id,
        who_on_device=on_device,
        now=now,
    )
    user_id = found.user_id or new_id()
    if known is not None and known.user_id != user_id:
        known = None
    if found.locked_until is not None:
        # who waits learns nothing of the password
        raise login_locked(found.locked_until, now=now)
    attempt = _Attempt(
        database=database,
        user_id=user_id,
        password_tag=password_tag(macs, user_id=user_id, password=credentials.password),
        counted_by=on_device if known else anywhere,
        sign_in=sign_in,
        new_id=new_id,
        now=now,
    )
    session = await attempt.outcome(hashing, credentials.password)
    if isinstance(session, LoginRefusal):
        return session
    return LoggedIn(session, known or KnownDevice(user_id=user_id, device_id=new_id()))


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """Somebody who says that they are this user, whom the address belongs to or nobody."""

    database: Database
    user_id: UUID
    password_tag: bytes
    counted_by: Counters
    sign_in: SignIn
    new_id: NewId
    now: datetime

    async def outcome(self, hashing: Hashing, password: str) -> SessionGrant | LoginRefusal:
        for _ in range(_TRIES):
            stored = await ask_for_password(self.database, user_id=self.user_id)
            checked = await hashing.check(password, stored.hashed)
            # an account that waits for its mail goes the way of one that is not there
            may_enter = checked.right and stored.is_verified
            if may_enter and checked.renewed is None:
                session = await self._usual(stored)
                if session is not None:
                    return session
            async with self.database.transaction(as_user=self.user_id) as tx:
                # before anything is read: who is let in is let in as who they are now
                if may_enter and not await hold_password(tx, stored, user_id=self.user_id):
                    continue
                found = await read_credentials(
                    tx, user_id=self.user_id, password_tag=self.password_tag, now=self.now
                )
                if checked.right and found is not None and found.stored != stored:
                    continue
                refusal = _refusal(checked.right, found)
                if found is None or refusal is not None:
                    await self._leave_a_trace(tx, refusal)
                    return refusal or LoginRefusal.WRONG
                return await self._let_in(tx, found, checked)
        return LoginRefusal.WRONG

    async def _usual(self, stored: StoredPassword) -> SessionGrant | None:
        """In one trip, when nothing is to be decided on the way; None when anything is."""
        session = self._new_session()
        role = await begin_usual_session(
            self.database,
            session,
            who=self.counted_by,
            stored=stored,
            password_tag=self.password_tag,
        )
        return None if role is None else grant_of(session, role)

    async def _let_in(self, tx: Transaction, found: FoundCredentials, checked: Checked) -> SessionGrant:
        user_id = self.user_id
        if found.is_registered:
            # their own: after the next change of it this password is a wrong one
            await forget_registration(tx, user_id=user_id, password_tag=self.password_tag)
        await count_login(tx, user_id=user_id, now=self.now)
        if checked.renewed is not None:
            await renew_hash(tx, user_id=user_id, former=found.stored.hashed, renewed=checked.renewed)
        session = await start_session(tx, self._new_session(), role=found.role, new_id=self.new_id)
        become(tx, self.database.service, Context.LOGIN)
        await let_through(tx, self.counted_by, full=True, now=self.now)
        return session

    def _new_session(self) -> NewSession:
        return new_session(self.sign_in, user_id=self.user_id, amr=("pwd",), now=self.now, new_id=self.new_id)

    async def _leave_a_trace(self, tx: Transaction, refusal: LoginRefusal | None) -> None:
        service, user_id, now = self.database.service, self.user_id, self.now
        # a guess that was registered before it is tried counts as any other, but only once
        if refusal is LoginRefusal.UNVERIFIED and not await try_registration(
            tx, user_id=user_id, password_tag=self.password_tag, now=now
        ):
            become(tx, service, Context.LOGIN)
            await let_through(tx, self.counted_by, full=False, now=now)
            return
        await count_failed_login(tx, user_id=user_id)
        become(tx, service, Context.LOGIN)
        locked_until = await count_wrong(tx, self.counted_by, now=now)
        if locked_until is None:
            return
        # The beginning of a lock and not each failure: a guesser shall not fill the log.
        become(tx, service, user_id)
        data = {"network": self.sign_in.device.network, "locked_until": locked_until.isoformat()}
        await audit(tx, entry_id=self.new_id(), action="login.locked", user_id=user_id, data=data)


def _refusal(right: bool, found: FoundCredentials | None) -> LoginRefusal | None:
    """By the registration alone, never by the account: that would tell whose the address is."""
    if found is not None and right and found.may_log_in and found.stored.is_verified:
        return None
    registered = found is not None and found.is_registered
    return LoginRefusal.UNVERIFIED if registered else LoginRefusal.WRONG
