from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.domain.email import EmailAddress
from auth_service.storage.login_stats import begin_counting
from auth_service.storage.users import NewUser, insert_user
from auth_service.usecases.hashing import Hashing
from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.messaging.outbox import record
from common.postgres.engine import Database


@dataclass(frozen=True)
class Registration:
    email: EmailAddress
    password: str
    full_name: str | None
    timezone: str
    language: str


async def register(
    database: Database,
    hashing: Hashing,
    registration: Registration,
    *,
    user_id: UUID,
    event_id: UUID,
    now: datetime,
) -> None:
    """Ends the same way whether or not the address was free: nobody learns who has an account."""
    hashed_password = await hashing.hash(registration.password)
    async with database.transaction(as_user=user_id) as tx:
        user = NewUser(
            id=user_id,
            email=registration.email.shown,
            email_norm=registration.email.compared,
            hashed_password=hashed_password,
            full_name=registration.full_name,
            timezone=registration.timezone,
            language=registration.language,
        )
        if await insert_user(tx, user):
            await begin_counting(tx, user_id=user_id)
            await record(tx, _registered(user, event_id=event_id, now=now))


def _registered(user: NewUser, *, event_id: UUID, now: datetime) -> Event[UserRegistered]:
    return Event(
        id=event_id,
        key=str(user.id),
        user_id=user.id,
        time=now,
        data=UserRegistered(
            user_id=user.id,
            version=1,
            registered_at=now,
            full_name=user.full_name,
            timezone=user.timezone,
            language=user.language,
        ),
    )
