"""How each service says that nothing of an erased user is left in it."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from common.contracts.envelope import Payload
from common.contracts.topics import CALENDAR_ERASURES, CHAT_ERASURES, PROFILE_ERASURES, Topic


class ErasureConfirmation(Payload):
    user_id: UUID
    """Who was erased."""
    erased_at: datetime
    rows: int
    """How many rows were deleted; 0 when all were deleted before."""


class ProfileErased(ErasureConfirmation):
    """The profile's service holds nothing of the user any more."""

    event_type: ClassVar[str] = "profile.erased"
    topic: ClassVar[Topic] = PROFILE_ERASURES


class CalendarErased(ErasureConfirmation):
    """The calendar's service holds nothing of the user any more."""

    event_type: ClassVar[str] = "calendar.erased"
    topic: ClassVar[Topic] = CALENDAR_ERASURES


class ChatErased(ErasureConfirmation):
    """The chat's service holds nothing of the user any more."""

    event_type: ClassVar[str] = "chat.erased"
    topic: ClassVar[Topic] = CHAT_ERASURES
