from datetime import datetime
from enum import StrEnum

from auth_service.domain.macs import Macs
from auth_service.domain.refresh_tokens import RefreshToken, read_refresh_token
from auth_service.usecases.end_sessions import end_sessions
from auth_service.usecases.presented_tokens import ClientToken, OlderToken, TokenReader, UserToken
from common.ids import NewId
from common.postgres.engine import Database


class Revocation(StrEnum):
    DONE = "done"
    """Also for a token that nobody knows: there is nothing left of it that would count."""
    NO_SESSION = "no_session"
    """A service's token, or one of the older system: nothing but its expiry ends it."""


async def revoke_token(
    database: Database, tokens: TokenReader, macs: Macs, token: str, *, now: datetime, new_id: NewId
) -> Revocation:
    """Ends the session that the token belongs to, and with it every token of that session."""
    match read_refresh_token(token, macs) or await tokens.read(token, now=now):
        case None:
            return Revocation.DONE
        case ClientToken() | OlderToken():
            return Revocation.NO_SESSION
        case RefreshToken(user_id, session_id):
            pass
        case UserToken(user, session_id):
            user_id = user.user_id
    async with database.transaction(as_user=user_id) as tx:
        await end_sessions(tx, user_id=user_id, reason="revoked", now=now, new_id=new_id, only=session_id)
    return Revocation.DONE
