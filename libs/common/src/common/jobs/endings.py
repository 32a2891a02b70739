"""How a run of a job is written down: each write stands under its claim, and without it changes nothing."""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from common.jobs.kinds import Job
from common.postgres.engine import Transaction

Outcome = Literal["succeeded", "failed", "cancelled", "retried", "handed_back"]

_FINISH = sa.text("""
    UPDATE jobs SET state = :state, result = CAST(:result AS jsonb), error = :error, finished_at = now(),
                    claim = NULL, claim_until = NULL
    WHERE id = :id AND claim = :claim
""")

_TRY_LATER = sa.text("""
    UPDATE jobs SET state = 'queued', run_at = now() + make_interval(secs => :wait), error = :error,
                    claim = NULL, claim_until = NULL
    WHERE id = :id AND claim = :claim
""")

# It keeps its place among the others, and the attempt does not count.
_HAND_BACK = sa.text("""
    UPDATE jobs SET state = 'queued', attempts = attempts - 1, claim = NULL, claim_until = NULL
    WHERE id = :id AND claim = :claim
""")


@dataclass(frozen=True)
class Ending:
    outcome: Outcome
    result: str | None = None
    """JSON, or nothing."""
    error: str | None = None
    wait_seconds: float = 0.0
    """Until the next attempt, if there is one."""


async def write_ending(tx: Transaction, job: Job, ending: Ending) -> bool:
    """False when the claim is not ours any more: then nothing was written."""
    mine: dict[str, object] = {"id": job.id, "claim": job.claim}
    if ending.outcome == "handed_back":
        written = await tx.execute(_HAND_BACK, mine)
    elif ending.outcome == "retried":
        later = {"wait": ending.wait_seconds, "error": ending.error}
        written = await tx.execute(_TRY_LATER, mine | later)
    else:
        finished = {"state": ending.outcome, "result": ending.result, "error": ending.error}
        written = await tx.execute(_FINISH, mine | finished)
    return written.rowcount == 1
