"""The worker's part: pictures that nobody shows any more, and those of users who were erased."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from common.blobs import Blobs
from common.errors import Kind, QuartetError
from common.jobs import Control, Job, JobKind, enqueue
from common.postgres.engine import Database, Transaction
from profile_service.domain.avatars import blobs_of
from profile_service.storage.avatars import avatar_of_user
from profile_service.usecases.change_avatar import REMOVE_BLOB, UNCLAIMED_AFTER

ERASE_BLOBS: Final = "erase_avatar_blobs"
_ATTEMPTS: Final = 60
"""With waits of a quarter of an hour at most: a storage may be away for half a day."""


async def ask_to_erase_avatars(tx: Transaction, user_ids: Sequence[UUID], *, now: datetime) -> None:
    """As system. Now, and once more when no upload of theirs can be on its way any longer."""
    for user_id in user_ids:
        for when, run_at in (("now", None), ("later", now + UNCLAIMED_AFTER)):
            await enqueue(
                tx,
                ERASE_BLOBS,
                dedupe_key=f"{when}:{user_id}",
                user_id=None,
                arguments={"user_id": str(user_id)},
                run_at=run_at,
            )


@dataclass(frozen=True)
class AvatarRemoval:
    database: Database
    blobs: Blobs

    def kinds(self) -> tuple[JobKind, ...]:
        return (
            JobKind(REMOVE_BLOB, self.remove, max_attempts=_ATTEMPTS),
            JobKind(ERASE_BLOBS, self.erase, max_attempts=_ATTEMPTS),
        )

    async def remove(self, job: Job, _: Control) -> Mapping[str, object]:
        """The name comes back to nobody, so what is not shown now is not shown later."""
        blob = str(job.arguments["blob"])
        if job.user_id is None:
            raise QuartetError("avatar.nobodys", "A picture of nobody.", kind=Kind.INVALID)
        async with self.database.transaction(as_user=job.user_id) as tx:
            shown = await avatar_of_user(tx, user_id=job.user_id)
        if shown.blob == blob:
            return {"removed": False}
        await self.blobs.delete(blob)
        return {"removed": True}

    async def erase(self, job: Job, _: Control) -> Mapping[str, object]:
        names = await self.blobs.names(blobs_of(UUID(str(job.arguments["user_id"]))))
        for name in names:
            await self.blobs.delete(name)
        return {"removed": len(names)}
