from datetime import datetime

from auth_service.domain.email import EmailAddress
from auth_service.domain.errors import credentials_wrong
from auth_service.domain.tokens import ACCESS_TOKEN_LIFETIME, AccessClaims
from auth_service.storage.users import find_user_id, read_password_hash
from auth_service.usecases.hashing import Hashing
from common.ids import NewId
from common.postgres.context import Context
from common.postgres.engine import Database


async def log_in(
    database: Database,
    hashing: Hashing,
    *,
    email: EmailAddress,
    password: str,
    issuer: str,
    audience: str,
    new_id: NewId,
    now: datetime,
) -> AccessClaims:
    """An unknown address goes the whole way as a random user, so that both paths run the same statements."""
    async with database.transaction(as_user=Context.LOGIN) as tx:
        user_id = await find_user_id(tx, email_norm=email.compared) or new_id()
    async with database.transaction(as_user=user_id) as tx:
        stored = await read_password_hash(tx, user_id=user_id)
    right = await hashing.matches(password, stored)
    async with database.transaction(as_user=user_id) as tx:
        unchanged = await read_password_hash(tx, user_id=user_id) == stored
    if not right or not unchanged:
        raise credentials_wrong()
    return AccessClaims(
        user_id=user_id,
        session_id=new_id(),
        token_id=new_id(),
        issuer=issuer,
        audience=audience,
        issued_at=now,
        expires_at=now + ACCESS_TOKEN_LIFETIME,
    )
