"""The password of somebody who is signed in already: a wrong one counts as a wrong login does."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.domain.known_devices import KnownDevice
from auth_service.domain.login_locks import Counters, counters
from auth_service.domain.macs import Macs
from auth_service.domain.sessions import Device
from auth_service.storage.audit import audit
from auth_service.storage.users import lock_user, read_own_login, read_password_hash
from auth_service.usecases.count_attempts import count_wrong, let_through, refuse_while_locked
from auth_service.usecases.hashing import Hashing
from common.ids import NewId
from common.postgres.becoming import become
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction


@dataclass(frozen=True)
class Claim:
    """What somebody with an access token says their password is, and from where."""

    user_id: UUID
    session_id: UUID | None
    password: str
    device: Device
    known_device: KnownDevice | None = None


@dataclass(frozen=True)
class Looked:
    """What came of holding it against the hash; the transaction that relies on it looks once more."""

    claim: Claim
    stored: str | None
    right: bool
    counted_by: Counters


async def look_at_password(
    database: Database, hashing: Hashing, macs: Macs, claim: Claim, *, now: datetime
) -> Looked:
    """Raises while a lock stands: a stolen access token gives nobody more guesses than the login does."""
    user_id, known = claim.user_id, claim.known_device
    async with database.transaction(as_user=user_id) as tx:
        found = await read_own_login(tx, user_id=user_id)
        counted_by = counters(
            macs,
            email_norm=found.email_norm if found else user_id.hex,
            network=claim.device.network,
            known_device=known.device_id if known is not None and known.user_id == user_id else None,
        )
        become(tx, database.service, Context.LOGIN)
        await refuse_while_locked(tx, counted_by, now=now)
    stored = found.hashed_password if found else None
    right = await hashing.matches(claim.password, stored)
    return Looked(claim, stored, right, counted_by)


async def is_proven(
    tx: Transaction, service: str, looked: Looked, *, refused: str, now: datetime, new_id: NewId
) -> bool:
    """First of all in the transaction that relies on it, which goes on as the user.

    `refused` is what the log calls it. False also for a password that was right and has been changed since:
    whoever did that has taken the account back from this one.
    """
    claim = looked.claim
    await lock_user(tx, user_id=claim.user_id)
    right = looked.right and await read_password_hash(tx, user_id=claim.user_id) == looked.stored
    become(tx, service, Context.LOGIN)
    locked_until = None
    if right:
        await let_through(tx, looked.counted_by, full=False, now=now)
    else:
        locked_until = await count_wrong(tx, looked.counted_by, now=now)
    become(tx, service, claim.user_id)
    if right:
        return True
    about = {"network": claim.device.network, "user_agent": claim.device.user_agent}
    if claim.session_id is not None:
        about["session_id"] = str(claim.session_id)
    await audit(tx, entry_id=new_id(), action=refused, user_id=claim.user_id, data=about)
    if locked_until is not None:
        about["locked_until"] = locked_until.isoformat()
        await audit(tx, entry_id=new_id(), action="login.locked", user_id=claim.user_id, data=about)
    return False
