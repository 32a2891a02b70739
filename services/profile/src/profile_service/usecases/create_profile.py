from datetime import datetime
from uuid import UUID

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.contracts.profile import ProfileCreated
from common.messaging.outbox import record
from common.postgres.engine import Transaction
from profile_service.storage.profiles import NewProfile, insert_profile


async def create_profile(
    tx: Transaction, registered: UserRegistered, *, event_id: UUID, now: datetime
) -> None:
    profile = NewProfile(
        user_id=registered.user_id,
        full_name=registered.full_name,
        timezone=registered.timezone,
        language=registered.language,
    )
    if await insert_profile(tx, profile):
        created = ProfileCreated(user_id=profile.user_id, version=1)
        await record(
            tx,
            Event(id=event_id, key=str(profile.user_id), user_id=profile.user_id, time=now, data=created),
        )
