from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from auth_service.domain.email import EmailAddress
from auth_service.domain.sessions import Device, SessionLimits
from auth_service.storage.login_stats import count_login
from auth_service.storage.users import find_user_id, read_password_hash, read_user_state
from auth_service.usecases.hashing import Hashing
from auth_service.usecases.start_session import SessionGrant, start_session
from common.ids import NewId
from common.postgres.context import Context
from common.postgres.engine import Database


class LoginRefusal(StrEnum):
    """A returned outcome, not an exception: what it leaves behind is committed."""

    WRONG = "wrong"


@dataclass(frozen=True)
class Credentials:
    email: EmailAddress
    password: str


async def log_in(
    database: Database,
    hashing: Hashing,
    credentials: Credentials,
    *,
    device: Device,
    label: str | None,
    limits: SessionLimits,
    new_id: NewId,
    now: datetime,
) -> SessionGrant | LoginRefusal:
    """An unknown address goes the whole way as a random user, so that both paths run the same statements."""
    async with database.transaction(as_user=Context.LOGIN) as tx:
        user_id = await find_user_id(tx, email_norm=credentials.email.compared) or new_id()
    async with database.transaction(as_user=user_id) as tx:
        stored = await read_password_hash(tx, user_id=user_id)
    right = await hashing.matches(credentials.password, stored)
    async with database.transaction(as_user=user_id) as tx:
        unchanged = await read_password_hash(tx, user_id=user_id) == stored
        state = await read_user_state(tx, user_id=user_id)
        if not right or not unchanged or state is None or not state.is_active:
            return LoginRefusal.WRONG
        await count_login(tx, user_id=user_id, now=now)
        return await start_session(
            tx,
            user_id=user_id,
            role=state.role,
            amr=("pwd",),
            device=device,
            label=label,
            limits=limits,
            now=now,
            new_id=new_id,
        )
