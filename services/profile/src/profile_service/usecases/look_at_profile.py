from uuid import UUID

from common.audit import audit
from common.ids import NewId
from common.postgres.engine import Transaction
from profile_service.storage.profiles import Profile, find_profile


async def look_at_profile(tx: Transaction, *, user_id: UUID, staff_id: UUID, new_id: NewId) -> Profile | None:
    """Of somebody else: whoever looks is written down in the same transaction, found or not."""
    profile = await find_profile(tx, user_id=user_id)
    await audit(
        tx,
        entry_id=new_id(),
        actor=f"user:{staff_id}",
        action="profile.viewed",
        user_id=user_id,
        data={"found": profile is not None},
    )
    return profile
