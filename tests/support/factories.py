"""Events with defaults: a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from common.contracts.auth import SessionRevoked, UserErased, UserRegistered
from common.contracts.calendar import CategoriesCreated
from common.contracts.chat import LearnerCreated
from common.contracts.envelope import Event, Payload, PayloadT_co
from common.contracts.erasure import CalendarErased, ChatErased, ErasureConfirmation, ProfileErased
from common.contracts.profile import ProfileCompleted, ProfileCreated
from common.ids import new_id

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def event(
    data: PayloadT_co,
    *,
    key: UUID | str,
    user_id: UUID | None,
    event_id: UUID | None = None,
    time: datetime = NOON,
    trace: dict[str, str] | None = None,
) -> Event[PayloadT_co]:
    return Event(
        id=event_id or new_id(), key=str(key), data=data, time=time, user_id=user_id, trace=trace or {}
    )


def user_registered(
    user_id: UUID | None = None,
    *,
    event_id: UUID | None = None,
    version: int = 1,
    full_name: str | None = "Ada Lovelace",
    timezone: str | None = "Europe/London",
    language: str | None = "en",
) -> Event[UserRegistered]:
    user_id = user_id or new_id()
    data = UserRegistered(
        user_id=user_id,
        version=version,
        registered_at=NOON,
        full_name=full_name,
        timezone=timezone,
        language=language,
    )
    return event(data, key=user_id, user_id=user_id, event_id=event_id)


def user_erased(user_id: UUID | None = None, *, version: int = 2) -> Event[UserErased]:
    user_id = user_id or new_id()
    data = UserErased(user_id=user_id, version=version, erased_at=NOON)
    return event(data, key=user_id, user_id=user_id)


def erasure_confirmed(
    confirmation: type[ErasureConfirmation], user_id: UUID | None = None
) -> Event[ErasureConfirmation]:
    user_id = user_id or new_id()
    data = confirmation(user_id=user_id, erased_at=NOON, rows=2)
    return event(data, key=user_id, user_id=user_id)


def session_revoked(
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    *,
    event_id: UUID | None = None,
    revoked_at: datetime = NOON,
) -> Event[SessionRevoked]:
    user_id = user_id or new_id()
    session_id = session_id or new_id()
    data = SessionRevoked(
        user_id=user_id,
        session_id=session_id,
        revoked_at=revoked_at,
        tokens_expire_at=revoked_at + timedelta(minutes=10),
    )
    return event(data, key=session_id, user_id=user_id, event_id=event_id)


def profile_created(user_id: UUID | None = None, *, version: int = 1) -> Event[ProfileCreated]:
    user_id = user_id or new_id()
    return event(ProfileCreated(user_id=user_id, version=version), key=user_id, user_id=user_id)


def profile_completed(user_id: UUID | None = None, *, version: int = 7) -> Event[ProfileCompleted]:
    user_id = user_id or new_id()
    data = ProfileCompleted(user_id=user_id, version=version, completed_at=NOON)
    return event(data, key=user_id, user_id=user_id)


def categories_created(
    user_id: UUID | None = None, *, names: tuple[str, ...] = ("Work", "Personal")
) -> Event[CategoriesCreated]:
    user_id = user_id or new_id()
    return event(CategoriesCreated(user_id=user_id, names=names), key=user_id, user_id=user_id)


def learner_created(user_id: UUID | None = None) -> Event[LearnerCreated]:
    user_id = user_id or new_id()
    return event(LearnerCreated(user_id=user_id), key=user_id, user_id=user_id)


def one_of_each() -> tuple[Event[Payload], ...]:
    """An event of every type in the catalogue."""
    return (
        user_registered(),
        session_revoked(),
        profile_created(),
        profile_completed(),
        categories_created(),
        learner_created(),
        user_erased(),
        *map(erasure_confirmed, (ProfileErased, CalendarErased, ChatErased)),
    )
