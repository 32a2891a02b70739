from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from common.ids import NewId
from common.postgres.engine import Transaction
from profile_service.domain.fields import Values
from profile_service.storage.profiles import Profile, lock_profile
from profile_service.usecases.create_profile import make_profile, profile_of_another
from profile_service.usecases.write_profile import write_profile

Propose = Callable[[Profile], Values]
"""What a profile should hold, from what it holds; raises what is wrong with that."""


async def change_own_profile(
    tx: Transaction,
    propose: Propose,
    *,
    user_id: UUID,
    check_version: Callable[[int], None],
    now: datetime,
    new_id: NewId,
) -> Profile:
    """What is refused leaves nothing behind, not even the profile that would have been made for it."""
    present = await lock_profile(tx, user_id=user_id)
    if present is None:
        none = Profile(user_id)
        check_version(none.version)
        first = replace(none, values=propose(none))
        made = await make_profile(tx, first, now=now, new_id=new_id)
        if made is not None:
            return made
        present = await profile_of_another(tx, user_id=user_id)
    check_version(present.version)
    values = propose(present)
    if values == present.values:
        return present
    return await write_profile(tx, present, values, now=now, new_id=new_id)
