"""Who calls, once a token was believed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class Acr(StrEnum):
    """How surely it is the user, as `acr` says it; each later one holds what the earlier ones promise."""

    SIGNED_IN = "urn:quartet:acr:signed-in"
    """Somebody signed in, and has been refreshing the session's tokens since."""
    STEPPED_UP = "urn:quartet:acr:stepped-up"
    """Whoever has the session proved once more who they are, inside of it."""


_LEVELS: dict[str | None, int] = {acr: level for level, acr in enumerate(Acr)}


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, from an access token of either shape."""

    user_id: UUID
    session_id: UUID | None
    """None for a legacy token: it belongs to no session, and no session's end ends it."""
    expires_at: datetime
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    auth_time: datetime | None = None
    """When the user last proved who they are; None when the token does not say, as legacy ones."""
    acr: str | None = None
    amr: frozenset[str] = frozenset()
    """By what they proved it (RFC 8176)."""

    def proved_within(self, longest: timedelta, *, now: datetime) -> bool:
        return self.auth_time is not None and now - self.auth_time <= longest

    def reaches(self, acr: Acr) -> bool:
        """An `acr` that nobody here knows reaches nothing."""
        return _LEVELS.get(self.acr, -1) >= _LEVELS[acr]


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """Another service, which acts as itself and for no user."""

    client_id: str
    expires_at: datetime
    scopes: frozenset[str] = frozenset()
