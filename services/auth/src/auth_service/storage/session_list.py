from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.postgres.engine import Transaction


@dataclass(frozen=True)
class SessionRow:
    id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    auth_time: datetime
    amr: list[str]
    user_agent: str | None
    network: str | None
    label: str | None


_COLUMNS = "id, created_at, last_seen_at, expires_at, auth_time, amr, user_agent, network, label"
_LIST = sa.text(f"""
    SELECT {_COLUMNS} FROM authentication_sessions
    WHERE user_id = :user_id AND is_active AND expires_at > :now
    ORDER BY last_seen_at DESC, id DESC
""")
_ONE = sa.text(f"""
    SELECT {_COLUMNS} FROM authentication_sessions
    WHERE user_id = :user_id AND id = :session_id AND is_active AND expires_at > :now
""")
_RENAME = sa.text(f"""
    UPDATE authentication_sessions SET label = :label
    WHERE user_id = :user_id AND id = :session_id AND is_active AND expires_at > :now
    RETURNING {_COLUMNS}
""")


async def list_sessions(tx: Transaction, *, user_id: UUID, now: datetime) -> list[SessionRow]:
    found = await tx.execute(_LIST, {"user_id": user_id, "now": now})
    return [SessionRow(**row) for row in found.mappings()]


async def read_session(
    tx: Transaction, *, user_id: UUID, session_id: UUID, now: datetime
) -> SessionRow | None:
    found = await tx.execute(_ONE, {"user_id": user_id, "session_id": session_id, "now": now})
    row = found.mappings().one_or_none()
    return None if row is None else SessionRow(**row)


async def rename_session(
    tx: Transaction, *, user_id: UUID, session_id: UUID, label: str | None, now: datetime
) -> SessionRow | None:
    renamed = await tx.execute(
        _RENAME, {"user_id": user_id, "session_id": session_id, "label": label, "now": now}
    )
    row = renamed.mappings().one_or_none()
    return None if row is None else SessionRow(**row)
