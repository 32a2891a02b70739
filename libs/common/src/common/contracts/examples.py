"""One payload of every event type, as it could have been sent; the committed examples are made from these."""

from datetime import UTC, datetime
from uuid import UUID

from common.contracts.auth import SessionRevoked, UserErased, UserRegistered
from common.contracts.calendar import CategoriesCreated
from common.contracts.chat import LearnerCreated
from common.contracts.envelope import Payload
from common.contracts.erasure import CalendarErased, ChatErased, ProfileErased
from common.contracts.profile import ProfileCompleted, ProfileCreated

_USER = UUID("019ab2f0-1c00-7000-8000-0000000000a1")
_SESSION = UUID("019ab2f0-1c00-7000-8000-0000000000b2")
_NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

EXAMPLES: tuple[Payload, ...] = (
    UserRegistered(
        user_id=_USER,
        version=1,
        registered_at=_NOON,
        full_name="Ada Lovelace",
        timezone="Europe/London",
        language="en",
    ),
    UserErased(user_id=_USER, version=8, erased_at=_NOON),
    SessionRevoked(
        user_id=_USER,
        session_id=_SESSION,
        revoked_at=_NOON,
        tokens_expire_at=datetime(2026, 11, 22, 12, 10, tzinfo=UTC),
    ),
    ProfileCreated(user_id=_USER, version=1),
    ProfileCompleted(user_id=_USER, version=7, completed_at=_NOON),
    CategoriesCreated(user_id=_USER, names=("Work", "Personal", "Family")),
    LearnerCreated(user_id=_USER),
    ProfileErased(user_id=_USER, erased_at=_NOON, rows=3),
    CalendarErased(user_id=_USER, erased_at=_NOON, rows=6),
    ChatErased(user_id=_USER, erased_at=_NOON, rows=2),
)

BY_PAYLOAD: dict[type[Payload], Payload] = {type(example): example for example in EXAMPLES}
