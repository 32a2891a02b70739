import json
from collections.abc import Mapping
from uuid import UUID

from common.postgres.asking import put_off
from common.postgres.engine import Transaction
from common.postgres.trip import Step

_INSERT = "INSERT INTO audit_log (id, actor, action, user_id, data) VALUES ($1, $2, $3, $4, $5)"


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
    actor = actor or f"user:{user_id}"
    put_off(tx, Step(_INSERT, (entry_id, actor, action, user_id, json.dumps(dict(data)))))
