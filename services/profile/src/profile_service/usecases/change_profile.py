from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from common.ids import NewId
from common.postgres.engine import Transaction
from profile_service.domain.fields import Values
from profile_service.storage.profiles import Profile
from profile_service.usecases.create_profile import own_profile
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
    profile, known_version = await own_profile(tx, user_id=user_id, now=now, new_id=new_id)
    check_version(known_version)
    values = propose(profile)
    if values == profile.values:
        return profile
    return await write_profile(tx, profile, values, now=now, new_id=new_id)
