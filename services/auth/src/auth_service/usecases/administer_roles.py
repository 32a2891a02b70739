from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth_service.domain.email import EmailAddress
from auth_service.storage.roles import Holder, lock_holder, set_role
from auth_service.usecases.end_sessions import end_sessions
from common.audit import audit
from common.ids import NewId
from common.postgres.engine import Transaction

_ADMIN, _USER = "admin", "user"
_ACTOR = "system:admin"


class RoleRefusal(StrEnum):
    UNKNOWN = "unknown"
    UNVERIFIED = "unverified"
    """Whoever registered it may not be whom the operator means."""
    CLOSED = "closed"
    IS_ONE = "is_one"
    IS_NONE = "is_none"


async def grant_admin(
    tx: Transaction, email: EmailAddress, *, now: datetime, new_id: NewId
) -> list[UUID] | RoleRefusal:
    """As system. The sessions that ended: who gets more rights signs in for them."""
    holder = await lock_holder(tx, email_norm=email.compared)
    if holder is None:
        return RoleRefusal.UNKNOWN
    if not holder.is_active:
        return RoleRefusal.CLOSED
    if not holder.is_verified:
        return RoleRefusal.UNVERIFIED
    if holder.role == _ADMIN:
        return RoleRefusal.IS_ONE
    return await _change(tx, holder, _ADMIN, action="role.granted", now=now, new_id=new_id)


async def revoke_admin(
    tx: Transaction, email: EmailAddress, *, now: datetime, new_id: NewId
) -> list[UUID] | RoleRefusal:
    """As system, of a closed account too. Its tokens are refused everywhere within a second."""
    holder = await lock_holder(tx, email_norm=email.compared)
    if holder is None:
        return RoleRefusal.UNKNOWN
    if holder.role != _ADMIN:
        return RoleRefusal.IS_NONE
    return await _change(tx, holder, _USER, action="role.revoked", now=now, new_id=new_id)


async def _change(
    tx: Transaction, holder: Holder, role: str, *, action: str, now: datetime, new_id: NewId
) -> list[UUID]:
    await set_role(tx, user_id=holder.id, role=role, now=now)
    data = {"role": role, "former": holder.role}
    await audit(tx, entry_id=new_id(), actor=_ACTOR, action=action, user_id=holder.id, data=data)
    return await end_sessions(tx, user_id=holder.id, reason="role_changed", now=now, new_id=new_id)
