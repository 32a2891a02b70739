"""Every payload, by event type: what consumers parse with and what the schemas are made from."""

from common.contracts.auth import SessionRevoked, UserRegistered
from common.contracts.calendar import CategoriesCreated
from common.contracts.chat import LearnerCreated
from common.contracts.envelope import Payload
from common.contracts.profile import ProfileCreated

PAYLOADS: tuple[type[Payload], ...] = (
    UserRegistered,
    SessionRevoked,
    ProfileCreated,
    CategoriesCreated,
    LearnerCreated,
)

BY_TYPE: dict[str, type[Payload]] = {payload.event_type: payload for payload in PAYLOADS}
