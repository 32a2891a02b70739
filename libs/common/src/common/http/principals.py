"""Who calls, once a token was believed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, from an access token of either shape."""

    user_id: UUID
    session_id: UUID | None
    """None for a legacy token: it belongs to no session, and no session's end ends it."""
    expires_at: datetime
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """Another service, which acts as itself and for no user."""

    client_id: str
    expires_at: datetime
    scopes: frozenset[str] = frozenset()
