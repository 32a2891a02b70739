from datetime import datetime
from typing import ClassVar
from uuid import UUID

from common.contracts.envelope import Payload
from common.contracts.topics import PROFILES, Topic


class ProfileCreated(Payload):
    """A user has a profile, filled with what registering told."""

    event_type: ClassVar[str] = "profile.created"
    topic: ClassVar[Topic] = PROFILES

    user_id: UUID
    """Whose profile it is."""
    version: int
    """The profile's version with this event; grows with every change."""


class ProfileCompleted(Payload):
    """Everything that counts is said in a profile for the first time; told once, even if it is removed."""

    event_type: ClassVar[str] = "profile.completed"
    topic: ClassVar[Topic] = PROFILES

    user_id: UUID
    """Whose profile it is."""
    version: int
    """The profile's version with this event; grows with every change."""
    completed_at: datetime
