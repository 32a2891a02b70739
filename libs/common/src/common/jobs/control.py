import sqlalchemy as sa

from common.jobs.kinds import Job, Progress
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction

_HOLD = sa.text("SELECT id FROM jobs WHERE id = :id AND claim = :claim FOR KEY SHARE")

_REPORT = sa.text("""
    UPDATE jobs SET progress = jsonb_build_object(
        'done', greatest(CAST(progress ->> 'done' AS bigint), CAST(:done AS bigint)),
        'total', CAST(:total AS bigint))
    WHERE id = :id AND claim = :claim
""")


class JobCancelled(Exception):  # noqa: N818 - no fault: somebody asked for it
    """Raised into a body whose job was cancelled; may be let through."""


class LeaseLost(Exception):  # noqa: N818 - the same
    """Raised into a body whose job belongs to another worker now; nothing that it does counts any more."""


class Control:
    """A body's line to its runner."""

    def __init__(self, database: Database, job: Job) -> None:
        self._database = database
        self._job = job
        self._cancel_requested = False
        self._lost = False
        self._progress = job.progress

    @property
    def cancel_requested(self) -> bool:
        return self._cancel_requested

    @property
    def progress(self) -> Progress | None:
        """How far the job is, earlier runs included."""
        return self._progress

    def check(self) -> None:
        """Raises when the job should not go on: it was cancelled, or the lease is lost."""
        if self._lost:
            raise LeaseLost
        if self._cancel_requested:
            raise JobCancelled

    async def report(self, done: int, total: int | None = None) -> None:
        """Stores how far the job is; what is stored never goes back, whatever a second run reports."""
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            written = await tx.execute(
                _REPORT, {"id": self._job.id, "claim": self._job.claim, "done": done, "total": total}
            )
            if written.rowcount != 1:
                self._lost = True
        before = 0 if self._progress is None else self._progress.done
        self._progress = Progress(done=max(before, done), total=total)
        self.check()

    async def hold(self, tx: Transaction) -> None:
        """Until this transaction ends nobody else can claim the job; raises `LeaseLost` if somebody has.

        A key-share lock: it stops the claim of another worker (FOR UPDATE) and not our own extension.
        """
        mine = await tx.execute(_HOLD, {"id": self._job.id, "claim": self._job.claim})
        if mine.first() is None:
            self._lost = True
            raise LeaseLost

    def tell_cancelled(self) -> None:
        """The runner's end of the line."""
        self._cancel_requested = True

    def tell_lost(self) -> None:
        self._lost = True
