from datetime import datetime
from typing import Any
from uuid import UUID

from auth_service.storage.service_clients import find_service_client
from auth_service.storage.session_states import read_session_state
from auth_service.storage.users import read_user_state
from auth_service.usecases.presented_tokens import ClientToken, OlderToken, TokenReader, UserToken
from common.postgres.context import Context
from common.postgres.engine import Database


async def introspect(
    database: Database, tokens: TokenReader, token: str, *, now: datetime
) -> dict[str, Any] | None:
    """What an active token says, with the database asked whether it still does; else None."""
    match await tokens.read(token, now=now):
        case UserToken(user, session_id, claims):
            roles = await _roles_of_session(database, user.user_id, session_id, now)
            return None if roles is None else {**claims, "roles": roles}
        case ClientToken(service, claims):
            async with database.transaction(as_user=Context.SHARED) as tx:
                client = await find_service_client(tx, client_id=service.client_id)
            return dict(claims) if client is not None and client.is_active else None
        case OlderToken(user):
            async with database.transaction(as_user=user.user_id) as tx:
                state = await read_user_state(tx, user_id=user.user_id)
            if state is None or not state.is_active or not state.is_verified:
                return None
            return {
                "sub": str(user.user_id),
                "scope": " ".join(sorted(user.scopes)),
                "exp": int(user.expires_at.timestamp()),
            }
        case None:
            return None


async def _roles_of_session(
    database: Database, user_id: UUID, session_id: UUID, now: datetime
) -> list[str] | None:
    """None for a session that has ended, or whose user's account is closed."""
    state = await read_session_state(database, user_id=user_id, session_id=session_id)
    if state is None or not state.is_active or not state.user_is_active or state.expires_at <= now:
        return None
    return [] if state.role == "user" else [state.role]
