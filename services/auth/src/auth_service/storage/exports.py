from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from common.postgres.engine import Transaction

EXPORT_JOB: Final = "export"

# How the making stands is its job's to say: what ends a job in any way ends the making.
_READ: Final = """
    SELECT id, user_id, asked_at, ready_at, expires_at, parts, key_sealed,
        EXISTS (SELECT FROM jobs j WHERE j.user_id = e.user_id AND j.kind = :kind
            AND j.dedupe_key = CAST(e.id AS text) AND j.finished_at IS NULL) AS is_at_work
    FROM exports e WHERE user_id = :user_id AND expires_at > :now
"""
_ADD_PART: Final = sa.text("""
    UPDATE exports SET parts = CAST(:part AS jsonb) || parts
    WHERE id = :export_id AND user_id = :user_id AND ready_at IS NULL
    RETURNING (SELECT count(*) FROM jsonb_object_keys(parts)) AS told
""").bindparams(sa.bindparam("part", type_=JSONB))


@dataclass(frozen=True)
class Export:
    id: UUID
    user_id: UUID
    asked_at: datetime
    ready_at: datetime | None
    expires_at: datetime
    parts: Mapping[str, str | None]
    """By service, when it told its part; null for one that this installation does not have."""
    key_sealed: bytes
    is_at_work: bool


async def insert_export(
    tx: Transaction, *, export_id: UUID, user_id: UUID, key_sealed: bytes, now: datetime, until: datetime
) -> None:
    await tx.execute(
        sa.text("""
            INSERT INTO exports (id, user_id, asked_at, expires_at, key_sealed)
            VALUES (:id, :user_id, :now, :until, :key_sealed)
        """),
        {"id": export_id, "user_id": user_id, "now": now, "until": until, "key_sealed": key_sealed},
    )


async def read_export(tx: Transaction, *, export_id: UUID, user_id: UUID, now: datetime) -> Export | None:
    """None for another user's, and for one whose time is over."""
    return await _one(tx, f"{_READ} AND id = :export_id", user_id=user_id, now=now, export_id=export_id)


async def export_at_work(tx: Transaction, *, user_id: UUID, now: datetime) -> Export | None:
    """For whoever holds the user's lock: there is one at most."""
    statement = f"SELECT * FROM ({_READ} AND ready_at IS NULL) e WHERE is_at_work"
    return await _one(tx, statement, user_id=user_id, now=now)


async def add_part(
    tx: Transaction, *, export_id: UUID, user_id: UUID, service: str, told_at: datetime | None
) -> int | None:
    """How many parts there are; None when nobody waits for this one any more. The first time counts."""
    part = {service: None if told_at is None else told_at.isoformat()}
    found = await tx.execute(_ADD_PART, {"part": part, "export_id": export_id, "user_id": user_id})
    return found.scalar_one_or_none()


async def mark_ready(
    tx: Transaction, *, export_id: UUID, user_id: UUID, now: datetime, until: datetime
) -> bool:
    """False when it is gone, or was ready before."""
    marked = await tx.execute(
        sa.text("""
            UPDATE exports SET ready_at = :now, expires_at = :until
            WHERE id = :export_id AND user_id = :user_id AND ready_at IS NULL
        """),
        {"export_id": export_id, "user_id": user_id, "now": now, "until": until},
    )
    return marked.rowcount == 1


async def expired_exports(tx: Transaction, *, now: datetime) -> Sequence[tuple[UUID, UUID]]:
    """As system: a few of those whose time is over, each with its user."""
    found = await tx.execute(
        sa.text("SELECT id, user_id FROM exports WHERE expires_at <= :now ORDER BY expires_at LIMIT 100"),
        {"now": now},
    )
    return [(row.id, row.user_id) for row in found]


async def delete_export(tx: Transaction, *, export_id: UUID, user_id: UUID) -> None:
    await tx.execute(
        sa.text("DELETE FROM exports WHERE id = :export_id AND user_id = :user_id"),
        {"export_id": export_id, "user_id": user_id},
    )


async def _one(tx: Transaction, statement: str, **told: Any) -> Export | None:
    found = await tx.execute(sa.text(statement), {"kind": EXPORT_JOB, **told})
    row = found.mappings().one_or_none()
    return None if row is None else Export(**row)
