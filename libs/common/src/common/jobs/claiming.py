"""Who has a job: taken, kept and given back by claim. Every statement here runs as system.

When a lease ends is decided by the database's clock alone: workers whose clocks disagree agree on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from common.jobs.kinds import Job, JobKind, Progress
from common.postgres.engine import Transaction

_FREE = "(state = 'queued' OR claim_until <= now())"
_MOST = "coalesce(nullif(max_attempts, 0), :most)"

_LOOK = sa.text("""
    SELECT kind, CAST(extract(epoch FROM min(
        CASE WHEN state = 'queued' AND cancel_requested_at IS NOT NULL THEN now()
             WHEN state = 'queued' THEN run_at
             ELSE claim_until END) - now()) AS double precision) AS in_seconds
    FROM jobs
    WHERE finished_at IS NULL AND kind = ANY(:kinds)
      AND (run_at <= now() + make_interval(secs => :ahead) OR cancel_requested_at IS NOT NULL)
    GROUP BY kind ORDER BY in_seconds
""")

# Queued jobs that were cancelled, and jobs whose worker was lost in the last attempt that they had.
_END_WITHOUT_RUN = sa.text(f"""
    UPDATE jobs SET
        state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE 'failed' END,
        error = CASE WHEN cancel_requested_at IS NOT NULL THEN error
                     ELSE 'job.worker_lost: the worker was lost in the last attempt' END,
        claim = NULL, claim_until = NULL, finished_at = now()
    WHERE id IN (
        SELECT id FROM jobs
        WHERE finished_at IS NULL AND kind = :kind AND {_FREE}
          AND (cancel_requested_at IS NOT NULL OR (state = 'running' AND attempts >= {_MOST}))
        LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    RETURNING state
""")

# Counting a user's running jobs and taking one more is two things: claims of such a kind take turns.
_TAKE_TURNS = sa.text(
    "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/jobs/' || CAST(:kind AS text), 0))"
)

# A row that another transaction has locked is skipped: it is being claimed, cancelled, or held by the
# transaction of a body whose lease ran out. The conditions are asked again under the lock.
_CLAIM = sa.text(f"""
    WITH busy AS MATERIALIZED (
        SELECT user_id, count(*) AS running FROM jobs
        WHERE finished_at IS NULL AND kind = :kind AND state = 'running' AND claim_until > now()
          AND user_id IS NOT NULL
        GROUP BY user_id
    ), due AS (
        SELECT jobs.id, jobs.run_at, jobs.user_id, coalesce(busy.running, 0) AS running
        FROM jobs LEFT JOIN busy USING (user_id)
        WHERE finished_at IS NULL AND kind = :kind AND run_at <= now() AND {_FREE}
          AND (jobs.user_id IS NULL OR coalesce(busy.running, 0) < :per_user)
        ORDER BY jobs.run_at, jobs.id LIMIT 500
    ), allowed AS (
        SELECT id FROM (
            SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY run_at, id) AS place FROM due
        ) AS placed
        WHERE user_id IS NULL OR running + place <= :per_user
    ), taken AS (
        SELECT jobs.id FROM jobs JOIN allowed USING (id)
        WHERE finished_at IS NULL AND run_at <= now() AND {_FREE}
        ORDER BY jobs.run_at, jobs.id LIMIT :slots FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE jobs SET state = 'running', attempts = attempts + 1,
                    claim = :claim, claim_until = now() + make_interval(secs => :lease)
    FROM taken WHERE jobs.id = taken.id
    RETURNING jobs.id, kind, dedupe_key, user_id, arguments, attempts, {_MOST} AS most, progress,
              created_at, claim, trace
""").columns(arguments=JSONB, progress=JSONB)

# A row that is locked (its body has saved and not yet committed, somebody is cancelling) is left for the next
# time, so that one slow body does not let the leases of all others run out; nobody can claim it meanwhile.
_EXTEND = sa.text("""
    WITH held AS (
        SELECT id, claim, seconds
        FROM unnest(CAST(:ids AS uuid[]), CAST(:claims AS uuid[]), CAST(:seconds AS double precision[]))
             AS held (id, claim, seconds)
    ), free AS (
        SELECT jobs.id FROM jobs JOIN held USING (id, claim) FOR NO KEY UPDATE OF jobs SKIP LOCKED
    ), extended AS (
        UPDATE jobs SET claim_until = now() + make_interval(secs => held.seconds)
        FROM held JOIN free USING (id)
        WHERE jobs.id = held.id AND jobs.claim = held.claim
        RETURNING jobs.id
    )
    SELECT id, claim, extended.id IS NOT NULL AS extended, cancel_requested_at IS NOT NULL AS cancel_requested
    FROM held JOIN jobs USING (id, claim) LEFT JOIN extended USING (id)
""")

NO_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class Due:
    kind: str
    in_seconds: float
    """Not positive when something is to be done now."""


@dataclass(frozen=True)
class Extension:
    job_id: UUID
    claim: UUID
    lease_seconds: float


@dataclass(frozen=True)
class Kept:
    extended: bool
    """False when the row was locked in this moment: it is still ours, and its lease is as long as before."""
    cancel_requested: bool


async def look(tx: Transaction, kinds: Sequence[str], *, ahead_seconds: float) -> list[Due]:
    """The kinds of which something is to be done so soon, and when; the oldest first."""
    found = await tx.execute(_LOOK, {"kinds": list(kinds), "ahead": ahead_seconds})
    return [Due(kind=row.kind, in_seconds=row.in_seconds) for row in found]


async def claim(tx: Transaction, kind: JobKind, *, slots: int, claim_id: UUID) -> list[Job]:
    """At most `slots` due jobs of the kind, now under `claim_id`; one that is held by a live claim never."""
    if kind.per_user is not None:
        await tx.execute(_TAKE_TURNS, {"kind": kind.name})
    taken = await tx.execute(
        _CLAIM,
        {
            "kind": kind.name,
            "most": kind.max_attempts,
            "per_user": NO_LIMIT if kind.per_user is None else kind.per_user,
            "slots": slots,
            "claim": claim_id,
            "lease": kind.lease_seconds,
        },
    )
    return [_job(row) for row in taken]


async def end_without_run(tx: Transaction, kind: JobKind) -> list[str]:
    """Finish what must not be run (again); the states that the jobs ended in."""
    ended = await tx.execute(_END_WITHOUT_RUN, {"kind": kind.name, "most": kind.max_attempts})
    return list(ended.scalars())


async def extend(tx: Transaction, extensions: Sequence[Extension]) -> dict[tuple[UUID, UUID], Kept]:
    """By job and claim what is still ours; what is missing is lost."""
    kept = await tx.execute(
        _EXTEND,
        {
            "ids": [one.job_id for one in extensions],
            "claims": [one.claim for one in extensions],
            "seconds": [one.lease_seconds for one in extensions],
        },
    )
    return {(row.id, row.claim): Kept(row.extended, row.cancel_requested) for row in kept}


def progress_of(stored: object) -> Progress | None:
    if not isinstance(stored, dict):
        return None
    known = cast("Mapping[str, Any]", stored)
    return Progress(done=known["done"], total=known.get("total"), checkpoint=known.get("checkpoint"))


def _job(row: sa.Row[tuple[object, ...]]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        dedupe_key=row.dedupe_key,
        user_id=row.user_id,
        arguments=row.arguments,
        attempt=row.attempts,
        max_attempts=row.most,
        progress=progress_of(row.progress),
        created_at=row.created_at,
        claim=row.claim,
        trace=row.trace,
    )
