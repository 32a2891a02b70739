from datetime import datetime, timedelta
from uuid import UUID

from auth_service.domain.tokens import ACCESS_TOKEN_LIFETIME
from auth_service.storage.ending_sessions import mark_ended
from common.contracts.auth import SessionRevoked
from common.contracts.envelope import Event
from common.ids import NewId
from common.messaging.outbox import record
from common.postgres.engine import Transaction
from common.revocation import remember_revoked_sids

_CLOCKS_DISAGREE = timedelta(seconds=30)


async def end_sessions(
    tx: Transaction,
    *,
    user_id: UUID,
    reason: str,
    now: datetime,
    new_id: NewId,
    only: UUID | None = None,
    sparing: UUID | None = None,
) -> list[UUID]:
    """Ends all of a user's sessions, one, or all but one, and tells everybody in the same transaction."""
    ended = await mark_ended(tx, user_id=user_id, reason=reason, now=now, only=only, sparing=sparing)
    until = now + ACCESS_TOKEN_LIFETIME + _CLOCKS_DISAGREE
    if ended:
        await remember_revoked_sids(tx, [(session_id, until) for session_id in ended])
    for session_id in ended:
        revoked = SessionRevoked(
            user_id=user_id, session_id=session_id, revoked_at=now, tokens_expire_at=until
        )
        await record(tx, Event(id=new_id(), key=str(session_id), user_id=user_id, time=now, data=revoked))
    return ended
