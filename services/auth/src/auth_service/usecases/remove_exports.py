"""The files of exports that are over, and of users who are erased."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from auth_service.domain.exports import files_of_export, files_of_user
from auth_service.storage.exports import delete_export, expired_exports
from auth_service.usecases.export_files import ExportFiles
from common.errors import Kind, QuartetError
from common.jobs.control import Control
from common.jobs.enqueue import enqueue
from common.jobs.kinds import Job, JobKind
from common.postgres.engine import Database, Transaction

REMOVE_EXPORTS: Final = "remove_exports"
_ATTEMPTS: Final = 60
"""With waits of a quarter of an hour at most: a storage may be away for half a day."""
_NO_LATER_THAN: Final = timedelta(hours=1)
"""A job that made one when its user was erased has put its last file by then."""


async def ask_to_remove_all(tx: Transaction, *, user_id: UUID, now: datetime) -> None:
    """Of a user who is being erased: now, and once more when nothing of theirs can be on its way."""
    for when, run_at in (("now", None), ("later", now + _NO_LATER_THAN)):
        await enqueue(
            tx,
            REMOVE_EXPORTS,
            dedupe_key=f"{when}:{user_id}",
            user_id=user_id,
            arguments={"export_id": None},
            run_at=run_at,
        )


async def ask_to_remove_expired(tx: Transaction, now: datetime) -> bool:
    """As system, every few minutes. A row stays until its files are gone: what failed is asked for again."""
    for export_id, user_id in await expired_exports(tx, now=now):
        await enqueue(
            tx,
            REMOVE_EXPORTS,
            dedupe_key=str(export_id),
            user_id=user_id,
            arguments={"export_id": str(export_id)},
        )
    return False


@dataclass(frozen=True)
class ExportRemoval:
    database: Database
    files: ExportFiles

    def kind(self) -> JobKind:
        return JobKind(REMOVE_EXPORTS, self.remove, max_attempts=_ATTEMPTS)

    async def remove(self, job: Job, _: Control) -> Mapping[str, int]:
        user_id, named = job.user_id, job.arguments["export_id"]
        if user_id is None:
            raise QuartetError("export.nobodys", "the job is nobody's", kind=Kind.INVALID)
        if named is None:
            return {"removed": await self.files.remove(files_of_user(user_id))}
        export_id = UUID(str(named))
        removed = await self.files.remove(files_of_export(user_id, export_id))
        async with self.database.transaction(as_user=user_id) as tx:
            await delete_export(tx, export_id=export_id, user_id=user_id)
        return {"removed": removed}
