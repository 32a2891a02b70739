"""Every payload in every version: what consumers parse with and what the schemas are made from."""

from common.contracts.auth import SessionRevoked, UserErased, UserRegistered
from common.contracts.calendar import CategoriesCreated
from common.contracts.chat import LearnerCreated
from common.contracts.envelope import Payload, stem
from common.contracts.erasure import CalendarErased, ChatErased, ProfileErased
from common.contracts.profile import ProfileCompleted, ProfileCreated

PAYLOADS: tuple[type[Payload], ...] = (
    UserRegistered,
    UserErased,
    SessionRevoked,
    ProfileCreated,
    ProfileCompleted,
    CategoriesCreated,
    LearnerCreated,
    ProfileErased,
    CalendarErased,
    ChatErased,
)

BY_STEM: dict[str, type[Payload]] = {stem(payload): payload for payload in PAYLOADS}
