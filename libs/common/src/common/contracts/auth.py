from datetime import datetime
from typing import ClassVar
from uuid import UUID

from common.contracts.envelope import Payload
from common.contracts.topics import SESSIONS, USERS, Topic


class UserRegistered(Payload):
    """An account came to be; its address is not verified yet."""

    event_type: ClassVar[str] = "user.registered"
    topic: ClassVar[Topic] = USERS

    user_id: UUID
    version: int
    registered_at: datetime
    full_name: str | None = None
    timezone: str | None = None
    language: str | None = None


class SessionRevoked(Payload):
    """Access tokens of this session are no longer honoured, even though they have not expired."""

    event_type: ClassVar[str] = "session.revoked"
    topic: ClassVar[Topic] = SESSIONS

    user_id: UUID
    session_id: UUID
    revoked_at: datetime
    tokens_expire_at: datetime
    """From here on every access token of the session has expired by itself."""
