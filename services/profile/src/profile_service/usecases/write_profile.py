from dataclasses import replace
from datetime import datetime

from common.contracts.envelope import Event
from common.contracts.profile import ProfileCompleted
from common.ids import NewId
from common.messaging.outbox import record
from common.postgres.engine import Transaction
from profile_service.domain.completeness import COMPLETE, completeness
from profile_service.domain.fields import Values
from profile_service.storage.profiles import Profile, change_profile
from profile_service.storage.public_profiles import publish


def completes(profile: Profile, values: Values) -> bool:
    """For the first time, which is told."""
    return profile.completed_at is None and completeness(values).score == COMPLETE


async def write_profile(
    tx: Transaction, profile: Profile, values: Values, *, now: datetime, new_id: NewId
) -> Profile:
    """The next version of a profile that is locked, and with it what others see and hear of it."""
    done = completes(profile, values)
    wanted = replace(profile, values=values, completed_at=now if done else profile.completed_at)
    updated_at = await change_profile(tx, wanted, now=now)
    if updated_at is None:
        raise LookupError("a profile that is locked has another version")
    publish(tx, user_id=profile.user_id, values=values, now=updated_at)
    written = replace(wanted, version=profile.version + 1, updated_at=updated_at)
    if done:
        await tell_completed(tx, written, now=now, new_id=new_id)
    return written


async def tell_completed(tx: Transaction, profile: Profile, *, now: datetime, new_id: NewId) -> None:
    completed = ProfileCompleted(user_id=profile.user_id, version=profile.version, completed_at=now)
    await record(
        tx,
        Event(id=new_id(), key=str(profile.user_id), user_id=profile.user_id, time=now, data=completed),
    )
