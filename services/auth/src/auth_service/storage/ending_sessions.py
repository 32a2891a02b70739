from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction

_END = sa.text("""
    UPDATE authentication_sessions SET is_active = false, revoked_at = :now, revoke_reason = :reason
    WHERE user_id = :user_id AND is_active
        AND (CAST(:only AS uuid) IS NULL OR id = :only) AND (CAST(:sparing AS uuid) IS NULL OR id <> :sparing)
    RETURNING id
""")


async def mark_ended(
    tx: Transaction,
    *,
    user_id: UUID,
    reason: str,
    now: datetime,
    only: UUID | None = None,
    sparing: UUID | None = None,
) -> list[UUID]:
    """The sessions that were active until now."""
    ended = await tx.execute(
        _END, {"user_id": user_id, "reason": reason, "now": now, "only": only, "sparing": sparing}
    )
    return list(ended.scalars())
