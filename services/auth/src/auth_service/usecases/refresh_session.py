from datetime import datetime
from enum import StrEnum

from auth_service.domain.refresh_tokens import Presented, RefreshToken, classified
from auth_service.domain.sessions import Device, SessionLimits
from auth_service.storage.audit import audit
from auth_service.storage.session_states import SessionState, advance_session, read_session_state
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.start_session import SessionGrant
from common.ids import NewId
from common.postgres.engine import Database, Transaction


class RefreshRefusal(StrEnum):
    """A returned outcome, not an exception: what it leaves behind is committed."""

    ENDED = "ended"
    REUSED = "reused"
    UNKNOWN = "unknown"


async def refresh_session(
    database: Database,
    token: RefreshToken,
    *,
    device: Device,
    limits: SessionLimits,
    now: datetime,
    new_id: NewId,
) -> SessionGrant | RefreshRefusal:
    """The successor, the same for everybody who presents this token; an older token ends the session."""
    state = await advance_session(
        database,
        user_id=token.user_id,
        session_id=token.session_id,
        counter=token.counter,
        device=device,
        now=now,
        idle_until=now + limits.idle,
    )
    if state is not None:
        return _granted(token, state)
    state = await read_session_state(database, user_id=token.user_id, session_id=token.session_id)
    if state is None or not state.is_active or not state.user_is_active or state.expires_at <= now:
        return RefreshRefusal.ENDED
    match classified(presented=token.counter, current=state.refresh_counter):
        case Presented.PREDECESSOR:
            return _granted(token, state)
        case Presented.STALE:
            # counters only grow: what is stale now stays so, whatever happened since it was read
            async with database.transaction(as_user=token.user_id) as tx:
                await _end_for_reuse(tx, token, state, device=device, now=now, new_id=new_id)
            return RefreshRefusal.REUSED
        case Presented.CURRENT | Presented.AHEAD:
            return RefreshRefusal.UNKNOWN


def _granted(token: RefreshToken, state: SessionState) -> SessionGrant:
    successor = RefreshToken(
        user_id=token.user_id, session_id=token.session_id, counter=state.refresh_counter
    )
    return SessionGrant(
        refresh=successor,
        amr=tuple(state.amr),
        auth_time=state.auth_time,
        role=state.role,
        acr=state.acr,
    )


async def _end_for_reuse(
    tx: Transaction,
    token: RefreshToken,
    state: SessionState,
    *,
    device: Device,
    now: datetime,
    new_id: NewId,
) -> None:
    await end_sessions(
        tx,
        user_id=token.user_id,
        reason="refresh_token_reused",
        now=now,
        new_id=new_id,
        only=token.session_id,
    )
    await audit(
        tx,
        entry_id=new_id(),
        action="session.refresh_token_reused",
        user_id=token.user_id,
        data={
            "session_id": str(token.session_id),
            "presented": token.counter,
            "current": state.refresh_counter,
            "network": device.network,
            "user_agent": device.user_agent,
        },
    )
