from collections.abc import Sequence
from uuid import UUID

from common.clock import Clock
from common.contracts.auth import SessionRevoked, UserErased, UserRegistered
from common.contracts.envelope import Event
from common.contracts.erasure import ProfileErased
from common.erasure import Erasing
from common.ids import NewId
from common.messaging.handlers import Handlers
from common.postgres.engine import Transaction
from common.revocation import remember_revoked
from profile_service.storage.tables import SCHEMA
from profile_service.storage.versions import all_changed
from profile_service.usecases.create_profile import create_profile
from profile_service.usecases.remove_avatars import ask_to_erase_avatars


def build_handlers(new_id: NewId, clock: Clock) -> Handlers:
    async def user_registered(tx: Transaction, event: Event[UserRegistered]) -> None:
        await create_profile(tx, event.data, now=clock(), new_id=new_id)

    async def kept_elsewhere(tx: Transaction, user_ids: Sequence[UUID]) -> None:
        await all_changed(tx, user_ids)
        await ask_to_erase_avatars(tx, user_ids, now=clock())

    handlers = Handlers("profile")
    handlers.each(UserRegistered, user_registered)
    handlers.batch(UserErased, Erasing(SCHEMA, ProfileErased, new_id, clock, also=kept_elsewhere))
    handlers.batch(SessionRevoked, remember_revoked)
    return handlers
