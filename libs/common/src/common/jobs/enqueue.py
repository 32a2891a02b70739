from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from common.ids import new_id
from common.jobs.storable import storable
from common.postgres.asking import put_off
from common.postgres.engine import Transaction, wake_after_commit
from common.postgres.trip import Step
from common.telemetry.tracing import current_trace_headers

# No column is named in the conflict and none is returned: with INSERT alone on a table, the user's role is
# refused both, and a job that is waiting or running already absorbs this one without an error.
_INSERT = """
    INSERT INTO jobs (id, kind, dedupe_key, user_id, arguments, max_attempts, run_at, trace)
    VALUES ($1, $2, $3, $4, $5, $6, coalesce($7::timestamptz, now()), $8)
    ON CONFLICT DO NOTHING
"""


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
    stored = storable(dict(arguments), what="arguments")
    trace = current_trace_headers().get("traceparent")
    # 0 attempts leaves it to the kind, which only the worker knows
    job = (new_id(), kind, dedupe_key, user_id, stored, max_attempts or 0, run_at, trace)
    put_off(tx, Step(_INSERT, job))
    wake_after_commit(tx, "jobs")
