"""How a run of a job ends: each write stands under its claim; one without the lease changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from common.errors import Kind, QuartetError
from common.jobs.kinds import Job
from common.postgres.engine import Transaction

Outcome = Literal["succeeded", "failed", "cancelled", "retried", "handed_back"]

ERROR_LENGTH = 500
_PASSING = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.INTERNAL})

_FINISH = sa.text("""
    UPDATE jobs SET state = :state, result = CAST(:result AS jsonb), error = :error, finished_at = :now,
                    claim = NULL, claim_until = NULL
    WHERE id = :id AND claim = :claim
""")

_QUEUE_AGAIN = sa.text("""
    UPDATE jobs SET state = 'queued', run_at = :run_at, error = coalesce(:error, error),
                    attempts = attempts - :uncounted, claim = NULL, claim_until = NULL
    WHERE id = :id AND claim = :claim
""")


@dataclass(frozen=True)
class Ending:
    outcome: Outcome
    result: str | None = None
    """JSON, or nothing."""
    error: str | None = None
    run_at: datetime | None = None
    """When it is run again, if it is."""


async def write_ending(tx: Transaction, job: Job, ending: Ending, *, now: datetime) -> bool:
    """False when the claim is not ours any more: then nothing was written."""
    mine = {"id": job.id, "claim": job.claim, "error": ending.error}
    if ending.outcome in {"retried", "handed_back"}:
        uncounted = 1 if ending.outcome == "handed_back" else 0
        again = {"run_at": ending.run_at or now, "uncounted": uncounted}
        written = await tx.execute(_QUEUE_AGAIN, mine | again)
    else:
        finished = {"state": ending.outcome, "result": ending.result, "now": now}
        written = await tx.execute(_FINISH, mine | finished)
    return written.rowcount == 1


def passes_by_itself(error: BaseException) -> bool:
    """Whether another attempt may go better; an error that is not ours may be anything, so it may."""
    return not isinstance(error, QuartetError) or error.kind in _PASSING


def sentence_about(error: BaseException) -> str:
    """What the row may say: other people's messages may hold values, so of those only the class."""
    if isinstance(error, QuartetError):
        # an answer of somebody else's may be quoted, and was perhaps cut in the middle of a character
        readable = f"{error.code}: {error.detail}".encode(errors="replace").decode()
        return readable.replace("\x00", "")[:ERROR_LENGTH]
    return f"internal: {type(error).__name__}"
