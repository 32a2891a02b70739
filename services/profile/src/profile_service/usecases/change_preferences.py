from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from common.ids import NewId
from common.postgres.engine import Transaction
from profile_service.storage.preferences import Preferences, preferences_of, write_preferences
from profile_service.usecases.create_profile import own_profile


async def change_preferences(
    tx: Transaction,
    propose: Callable[[Preferences], dict[str, Any]],
    *,
    user_id: UUID,
    check_version: Callable[[int], None],
    now: datetime,
    new_id: NewId,
) -> Preferences:
    # its lock is the preferences' too, and it is where a user comes to be here
    await own_profile(tx, user_id=user_id, now=now, new_id=new_id)
    present = await preferences_of(tx, user_id=user_id)
    check_version(present.version)
    values = propose(present)
    if values == present.values:
        return present
    return await write_preferences(tx, values, user_id=user_id, now=now)
