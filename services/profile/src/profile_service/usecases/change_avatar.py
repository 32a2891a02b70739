"""A picture is there before its row names it, and goes after: whatever dies meanwhile, no name leads nowhere.

What a dead process leaves is a picture that nobody names; a job made beforehand looks after that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from common.blobs import Blobs
from common.clock import Clock
from common.ids import NewId
from common.jobs import enqueue
from common.postgres.engine import Database, Transaction
from profile_service.domain.avatars import blob_name
from profile_service.storage.avatars import Avatar, avatar_of_user, write_avatar
from profile_service.usecases.create_profile import own_profile

REMOVE_BLOB: Final = "remove_avatar_blob"
UNCLAIMED_AFTER: Final = timedelta(hours=1)
"""No upload lasts so long: what no row names then belongs to none that goes on."""

CheckVersion = Callable[[int | None], None]


@dataclass(frozen=True)
class AvatarChanges:
    database: Database
    blobs: Blobs
    clock: Clock
    new_id: NewId

    async def put(self, picture: bytes, *, user_id: UUID, check_version: CheckVersion) -> Avatar:
        """The last one to commit is shown."""
        blob = blob_name(user_id, picture, upload_id=self.new_id())

        async def announce(tx: Transaction) -> None:
            now = self.clock()
            await self._locked(tx, user_id, check_version, now=now)
            await _remove_unless_shown(tx, blob, user_id=user_id, run_at=now + UNCLAIMED_AFTER)

        async def show(tx: Transaction) -> Avatar:
            now = self.clock()
            before = await self._locked(tx, user_id, check_version, now=now)
            return await _replace(tx, before, blob, user_id=user_id, now=now)

        await self.database.in_transaction(user_id, announce)
        await self.blobs.put(blob, picture)
        return await self.database.in_transaction(user_id, show)

    async def delete(self, *, user_id: UUID, check_version: CheckVersion) -> None:
        async def change(tx: Transaction) -> None:
            before = await avatar_of_user(tx, user_id=user_id)
            if before.blob is None:
                check_version(None)
                return
            now = self.clock()
            before = await self._locked(tx, user_id, check_version, now=now)
            if before.blob is not None:
                await _replace(tx, before, None, user_id=user_id, now=now)

        await self.database.in_transaction(user_id, change)

    async def _locked(
        self, tx: Transaction, user_id: UUID, check_version: CheckVersion, *, now: datetime
    ) -> Avatar:
        """By the profile's lock, which is where a user comes to be here."""
        await own_profile(tx, user_id=user_id, now=now, new_id=self.new_id)
        present = await avatar_of_user(tx, user_id=user_id)
        check_version(present.shown)
        return present


async def _replace(
    tx: Transaction, before: Avatar, blob: str | None, *, user_id: UUID, now: datetime
) -> Avatar:
    written = await write_avatar(tx, blob, user_id=user_id, now=now)
    if before.blob is not None:
        await _remove_unless_shown(tx, before.blob, user_id=user_id)
    return written


async def _remove_unless_shown(
    tx: Transaction, blob: str, *, user_id: UUID, run_at: datetime | None = None
) -> None:
    """One that was announced and is replaced within the hour has two: the first one goes at once."""
    when = "replaced" if run_at is None else "announced"
    await enqueue(
        tx,
        REMOVE_BLOB,
        dedupe_key=f"{when}:{blob}",
        user_id=user_id,
        arguments={"blob": blob},
        run_at=run_at,
    )
