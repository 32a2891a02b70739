"""People of auth's schema, put there past the registration."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from auth_service.domain.sessions import Device, SessionLimits
from auth_service.usecases.start_session import SessionGrant, SignIn, new_session, start_session
from common.clock import utc_now
from common.ids import new_id
from common.postgres.engine import Database

DEVICE = Device(user_agent="tests", network="127.0.0.0/24")


async def add_user(
    superuser: asyncpg.Connection,
    *,
    email: str = "",
    hashed_password: str | None = None,
    is_verified: bool = True,
    role: str = "user",
) -> UUID:
    user_id = new_id()
    address = email or f"{user_id.hex}@example.org"
    await superuser.execute(
        """
        insert into auth.users (id, email, email_norm, hashed_password, is_verified, role)
        values ($1, $2, lower($2), $3, $4, $5)
        """,
        user_id,
        address,
        hashed_password,
        is_verified,
        role,
    )
    await superuser.execute("insert into auth.login_stats (user_id) values ($1)", user_id)
    return user_id


async def add_session(superuser: asyncpg.Connection, *, user_id: UUID, began: datetime) -> UUID:
    session_id = new_id()
    await superuser.execute(
        """
        insert into auth.authentication_sessions
            (id, user_id, created_at, last_seen_at, auth_time, expires_at, ends_at, amr)
        values ($1, $2, $3, $3, $3, $4, $4, '{pwd}')
        """,
        session_id,
        user_id,
        began,
        began + timedelta(days=30),
    )
    return session_id


async def grant_session(
    database: Database, user_id: UUID, *, limits: SessionLimits | None = None, now: datetime | None = None
) -> SessionGrant:
    """As a login would, without one."""
    sign_in = SignIn(DEVICE, None, limits or SessionLimits())
    session = new_session(sign_in, user_id=user_id, amr=("pwd",), now=now or utc_now(), new_id=new_id)
    async with database.transaction(as_user=user_id) as tx:
        return await start_session(tx, session, role="user", new_id=new_id)
