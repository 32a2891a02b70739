"""As whom a transaction runs: one database role for each kind of transaction (ADR 0003)."""

from enum import StrEnum
from uuid import UUID


class Context(StrEnum):
    SYSTEM = "system"
    """All rows: inbox, parking, relay, jobs, retention, set-based handlers. Workers only."""
    SHARED = "shared"
    """Reads of what belongs to no user: signing keys, revoked sessions, the schema's version, heartbeats."""
    STAFF = "staff"
    SERVICE = "service"
    LOGIN = "login"
    """auth only: finds the account that somebody claims to be, before there is a user."""
    ADMIN = "admin"
    """auth only: what nobody may do to their own account: role, activity, an administrator's lock."""


AsUser = UUID | Context
"""A user's id gives the role that sees only that user's rows."""


def role_name(service: str, as_user: AsUser) -> str:
    return f"{service}_{'user' if isinstance(as_user, UUID) else as_user.value}"


def begin_statement(service: str, as_user: AsUser) -> str:
    """BEGIN, role and user in one round trip; nothing in it comes from a caller unchecked."""
    statement = f"BEGIN; SET LOCAL ROLE {role_name(service, as_user)}"
    return f"{statement}; SET LOCAL app.user_id = '{as_user}'" if isinstance(as_user, UUID) else statement
