"""What was made for a user, as the ZIP that they fetch: put together while it is sent."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from auth_service.domain.errors import export_not_found, export_not_ready
from auth_service.storage.exports import Export, read_export
from auth_service.usecases.export_files import ExportFiles
from common.audit import audit
from common.ids import NewId
from common.postgres.engine import Database, Transaction

_PRIVATE: Final = 0o600 << 16
"""How a member's rights are written down; without it some programs unpack what nobody may read."""


async def begin_fetching(
    database: Database, *, export_id: UUID, user_id: UUID, now: datetime, new_id: NewId
) -> Export:
    """Written down before a byte is sent: nobody takes it without a line in the log."""

    async def use_case(tx: Transaction) -> Export:
        export = await read_export(tx, export_id=export_id, user_id=user_id, now=now)
        if export is None:
            raise export_not_found()
        if export.ready_at is None:
            raise export_not_ready()
        await audit(
            tx,
            entry_id=new_id(),
            action="export.fetched",
            user_id=user_id,
            data={"export_id": str(export_id)},
        )
        return export

    return await database.in_transaction(user_id, use_case)


async def zipped(files: ExportFiles, export: Export) -> AsyncGenerator[bytes]:
    """One part in memory at a time; no connection is held while the storage is asked."""
    sent = _Sent()
    with ZipFile(sent, "w", ZIP_DEFLATED) as archive:
        for service in sorted(service for service, told_at in export.parts.items() if told_at):
            part = await files.get(export, service)
            if part is None:
                raise export_not_found()
            await asyncio.to_thread(archive.writestr, _member(export, f"{service}.json"), part)
            yield sent.taken()
        archive.writestr(_member(export, "export.json"), _contents(export))
    yield sent.taken()


def _contents(export: Export) -> str:
    told = {
        "id": str(export.id),
        "user_id": str(export.user_id),
        "asked_at": export.asked_at.isoformat(),
        "services": dict(sorted(export.parts.items())),
    }
    return json.dumps(told, indent=2)


def _member(export: Export, name: str) -> ZipInfo:
    """Dated by the export: fetched twice, it is the same file."""
    when = export.ready_at or export.asked_at
    member = ZipInfo(name, date_time=when.timetuple()[:6])
    member.compress_type = ZIP_DEFLATED
    member.external_attr = _PRIVATE
    return member


class _Sent:
    """A file that can only be written to: what stands in it is taken out and sent."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, content: bytes) -> int:
        self._waiting += content
        return len(content)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def taken(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken
