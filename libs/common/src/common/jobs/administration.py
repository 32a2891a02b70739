"""What an operator sees of jobs and may do to them; each change leaves an audit row in its transaction."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from common.errors import Kind, QuartetError
from common.http.timestamps import Timestamp
from common.ids import NewId
from common.postgres.engine import Transaction, wake_after_commit
from common.postgres.faults import driver_error

_COLUMNS = """id, kind, dedupe_key, user_id, arguments, state, progress, result, attempts, max_attempts,
              run_at, claim_until, cancel_requested_at, error, trace, created_at, finished_at"""

_LIST = sa.text(f"""
    SELECT {_COLUMNS} FROM jobs
    WHERE (CAST(:kind AS text) IS NULL OR kind = :kind)
      AND (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:user_id AS uuid) IS NULL OR user_id = :user_id)
      AND (CAST(:before AS uuid) IS NULL OR id < :before)
    ORDER BY id DESC LIMIT :limit
""").columns(arguments=JSONB, progress=JSONB, result=JSONB)

_SHOW = sa.text(f"SELECT {_COLUMNS} FROM jobs WHERE id = :id").columns(
    arguments=JSONB, progress=JSONB, result=JSONB
)

_CANCEL = sa.text("""
    UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now())
    WHERE id = :id AND finished_at IS NULL
    RETURNING kind, user_id
""")

_RETRY = sa.text("""
    UPDATE jobs SET state = 'queued', attempts = 0, run_at = now(), finished_at = NULL,
                    cancel_requested_at = NULL, result = NULL
    WHERE id = :id AND state IN ('failed', 'cancelled')
      AND NOT EXISTS (SELECT FROM jobs AS other WHERE other.finished_at IS NULL
                      AND other.kind = jobs.kind AND other.dedupe_key = jobs.dedupe_key)
    RETURNING kind, user_id
""")

_AUDIT = sa.text("""
    INSERT INTO audit_log (id, at, actor, action, user_id, data)
    VALUES (:id, :at, :actor, :action, :user_id, CAST(:data AS jsonb))
""")


@dataclass(frozen=True)
class StoredJob:
    id: UUID
    kind: str
    dedupe_key: str
    user_id: UUID | None
    arguments: dict[str, object]
    state: str
    progress: dict[str, object] | None
    result: object
    attempts: int
    max_attempts: int
    run_at: Timestamp
    claim_until: Timestamp | None
    cancel_requested_at: Timestamp | None
    error: str | None
    trace: str | None
    created_at: Timestamp
    finished_at: Timestamp | None


@dataclass(frozen=True)
class By:
    """Who does it, and when."""

    actor: str
    now: datetime
    new_id: NewId


async def list_jobs(
    tx: Transaction,
    *,
    kind: str | None = None,
    state: str | None = None,
    user_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[StoredJob]:
    """The newest first; `before` is the last id of the page that came before."""
    found = await tx.execute(
        _LIST, {"kind": kind, "state": state, "user_id": user_id, "before": before, "limit": limit}
    )
    return [StoredJob(**row) for row in found.mappings()]


async def show_job(tx: Transaction, job_id: UUID) -> StoredJob:
    row = (await tx.execute(_SHOW, {"id": job_id})).mappings().first()
    if row is None:
        raise QuartetError("job.unknown", "There is no such job.", kind=Kind.NOT_FOUND)
    return StoredJob(**row)


async def cancel_job(tx: Transaction, job_id: UUID, *, by: By) -> None:
    """Asks for it; a waiting job ends at the next turn of a runner, a running one when its body stops."""
    changed = (await tx.execute(_CANCEL, {"id": job_id})).first()
    if changed is None:
        state = (await show_job(tx, job_id)).state
        raise QuartetError("job.finished", f"The job has {state} already.", kind=Kind.CONFLICT)
    await _record(tx, "job.cancelled", job_id, changed, by)


async def retry_job(tx: Transaction, job_id: UUID, *, by: By) -> None:
    """Queues a failed or cancelled job again with all its attempts; its progress and checkpoint stay."""
    try:
        changed = (await tx.execute(_RETRY, {"id": job_id})).first()
    except IntegrityError as error:
        # another of its key was being made in this moment, which only the index could see
        if getattr(driver_error(error), "constraint_name", None) != "jobs_unfinished_key":
            raise
        raise _replaced() from None
    if changed is None:
        state = (await show_job(tx, job_id)).state
        if state in {"failed", "cancelled"}:
            raise _replaced()
        raise QuartetError("job.not_failed", f"The job is {state}.", kind=Kind.CONFLICT)
    await _record(tx, "job.retried", job_id, changed, by)


def _replaced() -> QuartetError:
    return QuartetError("job.replaced", "Another job of its key is not finished.", kind=Kind.CONFLICT)


async def _record(
    tx: Transaction, action: str, job_id: UUID, changed: sa.Row[tuple[object, ...]], by: By
) -> None:
    await tx.execute(
        _AUDIT,
        {
            "id": by.new_id(),
            "at": by.now,
            "actor": by.actor,
            "action": action,
            "user_id": changed.user_id,
            "data": json.dumps({"job_id": str(job_id), "kind": changed.kind}),
        },
    )
    wake_after_commit(tx, "jobs")
