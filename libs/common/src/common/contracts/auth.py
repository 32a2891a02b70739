from datetime import datetime
from typing import ClassVar
from uuid import UUID

from common.contracts.envelope import Payload
from common.contracts.topics import SESSIONS, USERS, Topic


class UserRegistered(Payload):
    """An account came to be; its address is not verified yet."""

    event_type: ClassVar[str] = "user.registered"
    topic: ClassVar[Topic] = USERS
    personal: ClassVar[frozenset[str]] = frozenset({"full_name", "timezone", "language"})

    user_id: UUID
    """The account's id, the same in every service."""
    version: int
    """The account's version with this event; grows with every change."""
    registered_at: datetime
    full_name: str | None = None
    """What the user wants to be called."""
    timezone: str | None = None
    """A name of the IANA database."""
    language: str | None = None
    """A BCP 47 tag."""


class UserErased(Payload):
    """The account is gone for good: whoever holds something of this user deletes it and says so."""

    event_type: ClassVar[str] = "user.erased"
    topic: ClassVar[Topic] = USERS
    passes_parked: ClassVar[bool] = True

    user_id: UUID
    """Who was erased; the id is never given again."""
    version: int
    """The account's last version."""
    erased_at: datetime


class SessionRevoked(Payload):
    """Access tokens of this session are no longer honoured, even though they have not expired."""

    event_type: ClassVar[str] = "session.revoked"
    topic: ClassVar[Topic] = SESSIONS

    user_id: UUID
    """Whose session it was."""
    session_id: UUID
    """What access tokens name as `sid`."""
    revoked_at: datetime
    tokens_expire_at: datetime
    """From here on every access token of the session has expired by itself."""
