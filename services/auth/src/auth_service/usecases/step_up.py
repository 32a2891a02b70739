from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth_service.domain.macs import Macs
from auth_service.domain.refresh_tokens import RefreshToken
from auth_service.storage.audit import audit
from auth_service.storage.session_states import prove_again
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.own_password import Claim, is_proven, look_at_password
from auth_service.usecases.start_session import SessionGrant
from common.ids import NewId
from common.postgres.engine import Database


class StepUpRefusal(StrEnum):
    """A returned outcome, not an exception: what it leaves behind is committed."""

    WRONG = "wrong"
    ENDED = "ended"


async def step_up(
    database: Database,
    hashing: Hashing,
    macs: Macs,
    claim: Claim,
    *,
    session_id: UUID,
    now: datetime,
    new_id: NewId,
) -> SessionGrant | StepUpRefusal:
    """The session's user has proved anew who they are; its refresh token stays the same."""
    user_id = claim.user_id
    looked = await look_at_password(database, hashing, macs, claim, now=now)
    async with database.transaction(as_user=user_id) as tx:
        refused = "session.step_up_refused"
        if not await is_proven(tx, database.service, looked, refused=refused, now=now, new_id=new_id):
            return StepUpRefusal.WRONG
        state = await prove_again(tx, user_id=user_id, session_id=session_id, method="pwd", now=now)
        if state is None:
            return StepUpRefusal.ENDED
        device = claim.device
        about = {"session_id": str(session_id), "network": device.network, "user_agent": device.user_agent}
        await audit(tx, entry_id=new_id(), action="session.stepped_up", user_id=user_id, data=about)
    refresh = RefreshToken(user_id=user_id, session_id=session_id, counter=state.refresh_counter)
    return SessionGrant(
        refresh=refresh,
        amr=tuple(state.amr),
        auth_time=state.auth_time,
        role=state.role,
        acr=state.acr,
    )
