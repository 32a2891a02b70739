from dataclasses import dataclass
from uuid import UUID

import structlog

from common.blobs import Blobs
from common.postgres.engine import Database
from profile_service.domain.avatars import no_avatar
from profile_service.storage.avatars import Avatar, read_avatar

_log = structlog.get_logger("avatars")


@dataclass(frozen=True)
class ShownAvatars:
    database: Database
    blobs: Blobs

    async def find(self, user_id: UUID) -> Avatar:
        found = await read_avatar(self.database, user_id=user_id)
        if found.blob is None:
            raise no_avatar()
        return found

    async def picture(self, shown: Avatar, user_id: UUID) -> tuple[Avatar, bytes]:
        """No connection is held while the storage is asked: the picture may have been replaced meanwhile."""
        while True:
            content = None if shown.blob is None else await self.blobs.get(shown.blob)
            if content is not None:
                return shown, content
            present = await self.find(user_id)
            if present == shown:
                # of a storage that was put back to an older state: the next upload mends it
                _log.error("avatar.lost", blob=shown.blob)
                raise no_avatar()
            shown = present
