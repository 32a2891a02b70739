"""The files of exports: a part of each service, sealed with the export's own key.

The key lies sealed in the export's row: whoever deletes the row has made the files unreadable, wherever
copies of them lie, and a new key of the installation seals 32 bytes anew and no file.
"""

import asyncio
import zlib
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from auth_service.domain.exports import files_of_export
from auth_service.storage.exports import Export
from auth_service.storage.tables import EXPORT_KEY
from common.blobs import Blobs
from common.crypto import CannotOpenError, Cipher
from common.crypto.cipher import KEY_BYTES

_log = structlog.get_logger("exports")
_RING: Final = "export"
"""A ring of one key has a name for it all the same."""


class ExportFiles:
    def __init__(self, blobs: Blobs, cipher: Cipher) -> None:
        self.blobs = blobs
        self._cipher = cipher

    def new_key(self, export_id: UUID, randomness: Callable[[int], bytes]) -> bytes:
        """As the row holds it."""
        return self._cipher.seal(randomness(KEY_BYTES), place=EXPORT_KEY.place(export_id))

    async def put(self, export: Export, service: str, part: bytes) -> None:
        """Again, if need be: what came last is there, and each is as good as the other."""

        def sealed() -> bytes:
            return self._of(export).seal(zlib.compress(part), place=_place(export, service))

        await self.blobs.put(_name(export, service), await asyncio.to_thread(sealed))

    async def get(self, export: Export, service: str) -> bytes | None:
        """None when the storage has lost it, or gives back something else."""
        sealed = await self.blobs.get(_name(export, service))
        if sealed is None:
            _log.error("export.file_lost", export=str(export.id), service=service)
            return None

        def opened() -> bytes:
            return zlib.decompress(self._of(export).open(sealed, place=_place(export, service)))

        try:
            return await asyncio.to_thread(opened)
        except CannotOpenError as error:
            _log.error("export.file_unreadable", export=str(export.id), service=service, why=str(error))
            return None

    async def remove(self, folder: str) -> int:
        """All below it; how many there were."""
        names = await self.blobs.names(folder)
        for name in names:
            await self.blobs.delete(name)
        return len(names)

    def _of(self, export: Export) -> Cipher:
        key = self._cipher.open(export.key_sealed, place=EXPORT_KEY.place(export.id))
        return Cipher({_RING: key}, active=_RING)


def _name(export: Export, service: str) -> str:
    return f"{files_of_export(export.user_id, export.id)}{service}"


def _place(export: Export, service: str) -> tuple[str, str, str]:
    return ("exports", str(export.id), service)
