"""The job that asks each service for its part; what was told once is not asked for again."""

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from auth_service.domain.exports import EXPORT_KEPT
from auth_service.storage.exports import EXPORT_JOB, Export, add_part, mark_ready, read_export
from auth_service.usecases.export_files import ExportFiles
from auth_service.usecases.request_mail import Mail, request_mail
from common.audit import audit
from common.clock import Clock
from common.contracts.topics import SERVICES
from common.errors import Kind, QuartetError
from common.ids import NewId
from common.jobs.control import Control, LeaseLost
from common.jobs.kinds import Backoff, Job, JobKind
from common.postgres.engine import Database, Transaction

_ATTEMPTS: Final = 30
_BACKOFF: Final = Backoff(first_seconds=4, longest_seconds=900)
"""A service may be away for some six hours."""
_AWAY: Final = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT})


class Parts(Protocol):
    async def part(self, service: str, user_id: UUID) -> bytes | None:
        """JSON; None of a service that this installation does not have."""
        ...


@dataclass(frozen=True)
class ExportMaking:
    """What the job works with."""

    database: Database
    files: ExportFiles
    parts: Parts
    clock: Clock
    new_id: NewId
    backoff: Backoff = _BACKOFF

    def kind(self) -> JobKind:
        return JobKind(EXPORT_JOB, self.make, max_attempts=_ATTEMPTS, concurrency=2, backoff=self.backoff)

    async def make(self, job: Job, control: Control) -> dict[str, bool]:
        """Whether it is ready; one that is gone, its user with it, is not and has not failed."""
        export = await self._read(job)
        if export is None or export.ready_at is not None:
            return {"ready": export is not None}
        away: list[QuartetError] = []
        for service in SERVICES:
            if service not in export.parts:
                control.check()
                try:
                    await self._take(export, service, control)
                except QuartetError as error:
                    if error.kind not in _AWAY:
                        raise
                    # the others need not wait for the one
                    away.append(error)
        if away:
            raise away[0]
        await self._finish(export, control)
        return {"ready": True}

    async def _read(self, job: Job) -> Export | None:
        if job.user_id is None:
            raise QuartetError("export.nobodys", "the job is nobody's", kind=Kind.INVALID)
        async with self.database.transaction(as_user=job.user_id) as tx:
            told = {"export_id": UUID(job.dedupe_key), "user_id": job.user_id}
            return await read_export(tx, **told, now=self.clock())

    async def _take(self, export: Export, service: str, control: Control) -> None:
        """The file is there before the row says so: whatever dies in between, it is asked for again."""
        part = await self.parts.part(service, export.user_id)
        if part is not None:
            await self.files.put(export, service, part)

        async def written(tx: Transaction) -> None:
            told = await add_part(
                tx,
                export_id=export.id,
                user_id=export.user_id,
                service=service,
                told_at=None if part is None else self.clock(),
            )
            await self._save(tx, control, told)

        await self.database.in_transaction(export.user_id, written)

    async def _finish(self, export: Export, control: Control) -> None:
        async def ready(tx: Transaction) -> None:
            now = self.clock()
            whose = {"export_id": export.id, "user_id": export.user_id}
            if not await mark_ready(tx, **whose, now=now, until=now + EXPORT_KEPT):
                raise LeaseLost
            await request_mail(tx, Mail.EXPORT_READY, user_id=export.user_id, about=export.id)
            await audit(
                tx,
                entry_id=self.new_id(),
                actor="system:export",
                action="export.ready",
                user_id=export.user_id,
                data={"export_id": str(export.id)},
            )
            await self._save(tx, control, len(SERVICES))

        await self.database.in_transaction(export.user_id, ready)

    async def _save(self, tx: Transaction, control: Control, told: int | None) -> None:
        """Without its row, as without its lease, nothing is written."""
        if told is None:
            raise LeaseLost
        await control.save(tx, told, len(SERVICES), checkpoint={})
