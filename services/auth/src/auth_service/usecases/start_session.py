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


@dataclass(frozen=True)
class SignIn:
    """Where a session would begin, and how long it would last."""

    device: Device
    label: str | None
    limits: SessionLimits


def new_session(
    sign_in: SignIn, *, user_id: UUID, amr: tuple[str, ...], now: datetime, new_id: NewId
) -> NewSession:
    """Every sign-in begins a session of its own, with ids that nobody could have chosen before."""
    limits, ends_at = sign_in.limits, now + sign_in.limits.absolute
    return NewSession(
        id=new_id(),
        user_id=user_id,
        created_at=now,
        expires_at=limits.expires_at(now, ends_at=ends_at),
        ends_at=ends_at,
        amr=list(amr),
        device=sign_in.device,
        label=sign_in.label,
        most=limits.most,
    )


async def start_session(tx: Transaction, session: NewSession, *, role: str, new_id: NewId) -> SessionGrant:
    user_id, now = session.user_id, session.created_at
    for surplus in await begin_session(tx, session):
        await end_sessions(tx, user_id=user_id, reason="too_many", now=now, new_id=new_id, only=surplus)
    return grant_of(session, role)


def grant_of(session: NewSession, role: str) -> SessionGrant:
    """Of a session that was begun."""
    token = RefreshToken(user_id=session.user_id, session_id=session.id, counter=0)
    return SessionGrant(refresh=token, amr=tuple(session.amr), auth_time=session.created_at, role=role)
