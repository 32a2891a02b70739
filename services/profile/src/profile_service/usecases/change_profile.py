from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from common.ids import NewId
from common.postgres.engine import Database, Transaction
from profile_service.domain.fields import Values
from profile_service.storage.profiles import Profile, lock_profile, read_profile, rewrite_profile
from profile_service.usecases.create_profile import make_profile, profile_of_another
from profile_service.usecases.write_profile import completes, write_profile


@dataclass(frozen=True)
class Change:
    user_id: UUID
    propose: Callable[[Profile], Values]
    """What a profile should hold, from what it holds; raises what is wrong with that."""
    check_version: Callable[[int], None]

    def of(self, present: Profile) -> Values:
        self.check_version(present.version)
        return self.propose(present)


async def change_own_profile(database: Database, change: Change, *, now: datetime, new_id: NewId) -> Profile:
    """Two round trips as a rule: read, and written where nobody was faster. The rest takes a lock."""
    present = await read_profile(database, user_id=change.user_id)
    if present is not None:
        values = change.of(present)
        if values == present.values:
            return present
        if not completes(present, values):
            written = await rewrite_profile(database, present, values, now=now)
            if written is not None:
                return written

    async def under_lock(tx: Transaction) -> Profile:
        return await change_locked_profile(tx, change, now=now, new_id=new_id)

    return await database.in_transaction(change.user_id, under_lock)


async def change_locked_profile(tx: Transaction, change: Change, *, now: datetime, new_id: NewId) -> Profile:
    """What is refused leaves nothing behind, not even the profile that would have been made for it."""
    present = await lock_profile(tx, user_id=change.user_id)
    if present is None:
        none = Profile(change.user_id)
        made = await make_profile(tx, replace(none, values=change.of(none)), now=now, new_id=new_id)
        if made is not None:
            return made
        present = await profile_of_another(tx, user_id=change.user_id)
    values = change.of(present)
    if values == present.values:
        return present
    return await write_profile(tx, present, values, now=now, new_id=new_id)
