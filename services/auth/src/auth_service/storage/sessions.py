from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from auth_service.domain.sessions import Device
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
    most: int
    """Sessions of its user that may live at once."""


# One statement for both: the table is looked at as it was before, so the new one is not among the others.
_BEGIN = sa.text("""
    WITH begun AS (
        INSERT INTO authentication_sessions
            (id, user_id, created_at, last_seen_at, expires_at, ends_at, amr, auth_time,
             user_agent, network, label)
        VALUES (:id, :user_id, :now, :now, :expires_at, :ends_at, :amr, :now,
                :user_agent, :network, :label)
    )
    SELECT id FROM authentication_sessions WHERE user_id = :user_id AND is_active AND expires_at > :now
    ORDER BY last_seen_at DESC, id DESC OFFSET :most_others
""")


async def begin_session(tx: Transaction, session: NewSession) -> list[UUID]:
    """Those not seen for longest, when more than it allows live now; the expired are left to the clean-up."""
    surplus = await tx.execute(
        _BEGIN,
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
            "most_others": session.most - 1,
        },
    )
    return list(surplus.scalars())
