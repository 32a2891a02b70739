from typing import ClassVar
from uuid import UUID

from common.contracts.envelope import Payload
from common.contracts.topics import CHAT_SESSIONS, Topic


class LearnerCreated(Payload):
    """A user may start to practise."""

    event_type: ClassVar[str] = "learner.created"
    topic: ClassVar[Topic] = CHAT_SESSIONS

    user_id: UUID
    """Who may practise."""
