"""People of auth's schema, put there past the registration."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from auth_service.domain.sessions import Device
from common.ids import new_id

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
