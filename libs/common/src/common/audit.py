from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from common.postgres.engine import Transaction

_INSERT = sa.text("""
    INSERT INTO audit_log (id, actor, action, user_id, data) VALUES (:id, :actor, :action, :user_id, :data)
""").bindparams(sa.bindparam("data", type_=JSONB))


async def audit(
    tx: Transaction,
    *,
    entry_id: UUID,
    action: str,
    user_id: UUID | None,
    data: Mapping[str, object],
    actor: str | None = None,
) -> None:
    """Ids, network prefix and agent; never an address or a name. Without an actor it was the user."""
    await tx.execute(
        _INSERT,
        {
            "id": entry_id,
            "actor": actor or f"user:{user_id}",
            "action": action,
            "user_id": user_id,
            "data": dict(data),
        },
    )
