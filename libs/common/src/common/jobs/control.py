from collections.abc import Mapping

import sqlalchemy as sa

from common.jobs.kinds import Job, Progress
from common.jobs.storable import storable
from common.postgres.context import Context, role_name
from common.postgres.engine import Database, Transaction

_HOLD = sa.text("SELECT id FROM jobs WHERE id = :id AND claim = :claim FOR KEY SHARE")

# A second run that begins anew reports less than is stored: then the greater one stays, with its checkpoint.
_WRITE = sa.text("""
    UPDATE jobs SET progress = coalesce(progress, '{}') || jsonb_build_object(
        'done', greatest(CAST(progress ->> 'done' AS bigint), CAST(:done AS bigint)),
        'total', CAST(:total AS bigint)
    ) || CASE
        WHEN CAST(:checkpoint AS jsonb) IS NULL OR CAST(progress ->> 'done' AS bigint) > :done THEN '{}'
        ELSE jsonb_build_object('checkpoint', CAST(:checkpoint AS jsonb))
    END
    WHERE id = :id AND claim = :claim
""")

# What a user may write in jobs does not include progress: the transaction is system's for this statement.
_BECOME = sa.text("SELECT current_setting('role') AS former, set_config('role', :role, true)")


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
            await self._write(tx, done, total, None)
        self.check()

    async def save(
        self, tx: Transaction, done: int, total: int | None = None, *, checkpoint: Mapping[str, object]
    ) -> None:
        """In the transaction of an effect: both are there, or neither; raises `LeaseLost` without the lease.

        A later run finds it as `job.checkpoint`, so what was committed is not done again. The last statement
        of a short transaction: until it ends the job's lease is not extended.
        """
        become = {"role": role_name(self._database.service, Context.SYSTEM)}
        former: str = (await tx.execute(_BECOME, become)).scalar_one()
        await self._write(tx, done, total, storable(dict(checkpoint), what="checkpoint"))
        await tx.execute(_BECOME, {"role": former})
        if self._lost:
            raise LeaseLost

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

    async def _write(self, tx: Transaction, done: int, total: int | None, checkpoint: str | None) -> None:
        mine = {"id": self._job.id, "claim": self._job.claim}
        told = {"done": done, "total": total, "checkpoint": checkpoint}
        if (await tx.execute(_WRITE, mine | told)).rowcount != 1:
            self._lost = True
        before = self._progress or Progress(0)
        self._progress = Progress(max(before.done, done), total, before.checkpoint)
