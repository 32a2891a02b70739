from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from auth_service.domain.sessions import Device
from common.http.principals import Acr
from common.postgres.engine import Database, Transaction
from common.postgres.one_trip import in_one_trip


@dataclass(frozen=True)
class SessionState:
    """What tokens of a session need to know of it and its user."""

    refresh_counter: int
    created_at: datetime
    is_active: bool
    expires_at: datetime
    ends_at: datetime
    amr: list[str]
    auth_time: datetime
    role: str
    user_is_active: bool

    @property
    def acr(self) -> Acr:
        """Proven once more since it began, or not."""
        return Acr.STEPPED_UP if self.auth_time > self.created_at else Acr.SIGNED_IN


_STATE = """s.refresh_counter, s.created_at, s.is_active, s.expires_at, s.ends_at, s.amr, s.auth_time,
        u.role, u.is_active AS user_is_active"""

# One statement decides: of fifty callers with one token one finds the counter as presented, the others find
# it advanced and are given the same successor.
_ADVANCE = f"""
    UPDATE authentication_sessions s
    SET refresh_counter = s.refresh_counter + 1, refreshed_at = $4, last_seen_at = $4,
        expires_at = least(s.ends_at, $5), user_agent = coalesce($6, s.user_agent),
        network = coalesce($7, s.network)
    FROM users u
    WHERE s.id = $1 AND s.user_id = $2 AND u.id = s.user_id
        AND s.refresh_counter = $3 AND s.is_active AND s.expires_at > $4 AND u.is_active
    RETURNING {_STATE}
"""

_READ = f"""
    SELECT {_STATE} FROM authentication_sessions s JOIN users u ON u.id = s.user_id
    WHERE s.id = $1 AND s.user_id = $2
"""

# Later than the beginning, although another process's clock may be behind: this is what raises the acr.
_PROVE_AGAIN = sa.text(f"""
    UPDATE authentication_sessions s
    SET auth_time = greatest(:now, s.created_at + interval '1 microsecond'), last_seen_at = :now,
        amr = CASE WHEN CAST(:method AS text) = ANY (s.amr) THEN s.amr ELSE s.amr || CAST(:method AS text) END
    FROM users u
    WHERE s.id = :session_id AND s.user_id = :user_id AND u.id = s.user_id
        AND s.is_active AND s.expires_at > :now AND u.is_active
    RETURNING {_STATE}
""")

_SEE = """
    UPDATE authentication_sessions SET last_seen_at = $3
    WHERE id = $1 AND user_id = $2 AND is_active AND last_seen_at <= $4
"""


async def advance_session(
    database: Database,
    *,
    user_id: UUID,
    session_id: UUID,
    counter: int,
    device: Device,
    now: datetime,
    idle_until: datetime,
) -> SessionState | None:
    """None when the counter is another one, or the session or its user is not active any more.

    A transaction of its own, which may be carried out twice: the second one finds the counter advanced.
    """
    rows = await in_one_trip(
        database,
        _ADVANCE,
        *(session_id, user_id, counter, now, idle_until, device.user_agent, device.network),
        as_user=user_id,
    )
    return SessionState(*rows[0]) if rows else None


async def read_session_state(database: Database, *, user_id: UUID, session_id: UUID) -> SessionState | None:
    rows = await in_one_trip(database, _READ, session_id, user_id, as_user=user_id)
    return SessionState(*rows[0]) if rows else None


async def prove_again(
    tx: Transaction, *, user_id: UUID, session_id: UUID, method: str, now: datetime
) -> SessionState | None:
    """None when the session has ended."""
    proven = await tx.execute(
        _PROVE_AGAIN, {"user_id": user_id, "session_id": session_id, "method": method, "now": now}
    )
    row = proven.mappings().one_or_none()
    return None if row is None else SessionState(**row)


async def see_session(
    connection: asyncpg.Connection, *, user_id: UUID, session_id: UUID, now: datetime, unless_since: datetime
) -> None:
    """Nothing when another process has written it since."""
    await connection.execute(_SEE, session_id, user_id, now, unless_since)
