from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.domain.refresh_tokens import RefreshToken
from auth_service.domain.sessions import Device, SessionLimits
from auth_service.storage.sessions import NewSession, begin_session
from auth_service.usecases.end_sessions import end_sessions
from common.http.principals import Acr
from common.ids import NewId
from common.postgres.engine import Transaction


@dataclass(frozen=True)
class SessionGrant:
    """What tokens are made from once the transaction is through."""

    refresh: RefreshToken
    amr: tuple[str, ...]
    auth_time: datetime
    role: str
    acr: Acr = Acr.SIGNED_IN

    @property
    def user_id(self) -> UUID:
        return self.refresh.user_id

    @property
    def session_id(self) -> UUID:
        return self.refresh.session_id


async def start_session(
    tx: Transaction,
    *,
    user_id: UUID,
    role: str,
    amr: tuple[str, ...],
    device: Device,
    label: str | None,
    limits: SessionLimits,
    now: datetime,
    new_id: NewId,
) -> SessionGrant:
    """Every sign-in begins a session of its own, with ids that nobody could have chosen before."""
    ends_at = now + limits.absolute
    session = NewSession(
        id=new_id(),
        user_id=user_id,
        created_at=now,
        expires_at=limits.expires_at(now, ends_at=ends_at),
        ends_at=ends_at,
        amr=list(amr),
        device=device,
        label=label,
    )
    for surplus in await begin_session(tx, session, most=limits.most):
        await end_sessions(tx, user_id=user_id, reason="too_many", now=now, new_id=new_id, only=surplus)
    token = RefreshToken(user_id=user_id, session_id=session.id, counter=0)
    return SessionGrant(refresh=token, amr=amr, auth_time=now, role=role)
