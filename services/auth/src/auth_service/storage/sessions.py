from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from auth_service.domain.sessions import Device
from common.http.principals import Acr
from common.postgres.engine import Transaction


@dataclass(frozen=True)
class NewSession:
    id: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    ends_at: datetime
    amr: list[str]
    device: Device
    label: str | None


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


_INSERT = sa.text("""
    INSERT INTO authentication_sessions
        (id, user_id, created_at, last_seen_at, expires_at, ends_at, amr, auth_time,
         user_agent, network, label)
    VALUES (:id, :user_id, :now, :now, :expires_at, :ends_at, :amr, :now,
            :user_agent, :network, :label)
""")

_STATE = """s.refresh_counter, s.created_at, s.is_active, s.expires_at, s.ends_at, s.amr, s.auth_time,
        u.role, u.is_active AS user_is_active"""

# One statement decides: of fifty callers with one token one finds the counter as presented, the others find
# it advanced and are given the same successor.
_ADVANCE = sa.text(f"""
    UPDATE authentication_sessions s
    SET refresh_counter = s.refresh_counter + 1, refreshed_at = :now, last_seen_at = :now,
        expires_at = least(s.ends_at, CAST(:idle_until AS timestamptz)),
        user_agent = coalesce(:user_agent, s.user_agent), network = coalesce(:network, s.network)
    FROM users u
    WHERE s.id = :session_id AND s.user_id = :user_id AND u.id = s.user_id
        AND s.refresh_counter = :counter AND s.is_active AND s.expires_at > :now AND u.is_active
    RETURNING {_STATE}
""")

_READ = sa.text(f"""
    SELECT {_STATE}
    FROM authentication_sessions s JOIN users u ON u.id = s.user_id
    WHERE s.id = :session_id AND s.user_id = :user_id
""")

_SURPLUS = sa.text("""
    SELECT id FROM authentication_sessions WHERE user_id = :user_id AND is_active
    ORDER BY last_seen_at DESC, id DESC OFFSET :most
""")


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


async def insert_session(tx: Transaction, session: NewSession) -> None:
    await tx.execute(
        _INSERT,
        {
            "id": session.id,
            "user_id": session.user_id,
            "now": session.created_at,
            "expires_at": session.expires_at,
            "ends_at": session.ends_at,
            "amr": session.amr,
            "user_agent": session.device.user_agent,
            "network": session.device.network,
            "label": session.label,
        },
    )


async def advance_session(
    tx: Transaction,
    *,
    user_id: UUID,
    session_id: UUID,
    counter: int,
    device: Device,
    now: datetime,
    idle_until: datetime,
) -> SessionState | None:
    """None when the counter is another one, or the session or its user is not active any more."""
    advanced = await tx.execute(
        _ADVANCE,
        {
            "user_id": user_id,
            "session_id": session_id,
            "counter": counter,
            "user_agent": device.user_agent,
            "network": device.network,
            "now": now,
            "idle_until": idle_until,
        },
    )
    row = advanced.mappings().one_or_none()
    return None if row is None else SessionState(**row)


async def read_session_state(tx: Transaction, *, user_id: UUID, session_id: UUID) -> SessionState | None:
    found = await tx.execute(_READ, {"user_id": user_id, "session_id": session_id})
    row = found.mappings().one_or_none()
    return None if row is None else SessionState(**row)


async def prove_again(
    tx: Transaction, *, user_id: UUID, session_id: UUID, method: str, now: datetime
) -> SessionState | None:
    """None when the session has ended."""
    proven = await tx.execute(
        _PROVE_AGAIN, {"user_id": user_id, "session_id": session_id, "method": method, "now": now}
    )
    row = proven.mappings().one_or_none()
    return None if row is None else SessionState(**row)


async def surplus_sessions(tx: Transaction, *, user_id: UUID, most: int) -> list[UUID]:
    """Those not seen for longest, when there are more than `most`."""
    found = await tx.execute(_SURPLUS, {"user_id": user_id, "most": most})
    return list(found.scalars())
