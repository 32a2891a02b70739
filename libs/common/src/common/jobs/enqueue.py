from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.ids import new_id
from common.jobs.storable import storable
from common.postgres.engine import Transaction, wake_after_commit
from common.telemetry.tracing import current_trace_headers

# No column is named in the conflict and none is returned: with INSERT alone on a table, the user's role is
# refused both, and a job that is waiting or running already absorbs this one without an error.
_INSERT = sa.text("""
    INSERT INTO jobs (id, kind, dedupe_key, user_id, arguments, max_attempts, run_at, trace)
    VALUES (:id, :kind, :dedupe_key, :user_id, CAST(:arguments AS jsonb), :max_attempts,
            coalesce(CAST(:run_at AS timestamptz), now()), :trace)
    ON CONFLICT DO NOTHING
""")


async def enqueue(
    tx: Transaction,
    kind: str,
    *,
    dedupe_key: str,
    user_id: UUID | None,
    arguments: Mapping[str, object],
    run_at: datetime | None = None,
    max_attempts: int | None = None,
) -> None:
    """Make a job in its cause's transaction; an unfinished one of this kind and key stands for both."""
    await tx.execute(
        _INSERT,
        {
            "id": new_id(),
            "kind": kind,
            "dedupe_key": dedupe_key,
            "user_id": user_id,
            "arguments": storable(dict(arguments), what="arguments"),
            # 0 leaves it to the kind, which only the worker knows
            "max_attempts": max_attempts or 0,
            "run_at": run_at,
            "trace": current_trace_headers().get("traceparent"),
        },
    )
    wake_after_commit(tx, "jobs")
