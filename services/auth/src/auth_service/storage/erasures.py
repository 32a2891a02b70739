from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from auth_service.storage.mail_recipients import MailRecipient
from common.contracts.auth import UserErased
from common.postgres.engine import Transaction

_CONFIRM = sa.text("""
    UPDATE erasures e SET
        confirmed = c.said || e.confirmed,
        closed_at = CASE WHEN (c.said || e.confirmed) ?& CAST(:services AS text[])
            THEN coalesce(e.closed_at, :now) END
    FROM (
        SELECT user_id, jsonb_build_object(CAST(:service AS text), at) AS said
        FROM unnest(CAST(:user_ids AS uuid[]), CAST(:times AS timestamptz[])) AS told (user_id, at)
    ) c
    WHERE e.user_id = c.user_id
""")


@dataclass(frozen=True)
class Erasure:
    asked_at: datetime
    confirmed: Mapping[str, str]
    """By service, when it held nothing any more."""
    closed_at: datetime | None


async def begin_erasure(
    tx: Transaction, recipient: MailRecipient, *, user_id: UUID, version: int, now: datetime
) -> None:
    await tx.execute(
        sa.text("""
            INSERT INTO erasures (user_id, version, asked_at, told_at)
            VALUES (:user_id, :version, :now, :now)
        """),
        {"user_id": user_id, "version": version, "now": now},
    )
    await tx.execute(
        sa.text("""
            INSERT INTO farewells (user_id, email, language, asked_at)
            VALUES (:user_id, :email, :language, :now)
        """),
        {"user_id": user_id, "now": now, **vars(recipient)},
    )


async def read_erasure(connection: asyncpg.Connection, *, user_id: UUID) -> Erasure | None:
    row = await connection.fetchrow(
        """
        SELECT asked_at, closed_at, array(SELECT jsonb_object_keys(confirmed)) AS services,
            array(SELECT value FROM jsonb_each_text(confirmed)) AS times
        FROM erasures WHERE user_id = $1
        """,
        user_id,
    )
    if row is None:
        return None
    confirmed = dict(zip(row["services"], row["times"], strict=True))
    return Erasure(row["asked_at"], confirmed, row["closed_at"])


async def confirm(
    tx: Transaction,
    *,
    service: str,
    services: Sequence[str],
    times: Mapping[UUID, datetime],
    now: datetime,
) -> None:
    """As system. The first time counts, and the last service closes the erasure."""
    user_ids = sorted(times)
    await tx.execute(
        _CONFIRM,
        {
            "service": service,
            "services": list(services),
            "user_ids": user_ids,
            "times": [times[user_id] for user_id in user_ids],
            "now": now,
        },
    )


async def tell_again(tx: Transaction, *, told_before: datetime, now: datetime) -> Sequence[UserErased]:
    """As system: the erasures that are open and of which nobody was told for so long; a few at a time."""
    told = await tx.execute(
        sa.text("""
            WITH due AS MATERIALIZED (
                SELECT user_id FROM erasures WHERE closed_at IS NULL AND told_at < :told_before
                ORDER BY told_at LIMIT 100 FOR UPDATE SKIP LOCKED)
            UPDATE erasures SET told_at = :now WHERE user_id IN (SELECT user_id FROM due)
            RETURNING user_id, version, asked_at AS erased_at
        """),
        {"told_before": told_before, "now": now},
    )
    return [UserErased(**row) for row in told.mappings()]


async def oldest_open(tx: Transaction) -> datetime | None:
    """As system: when the erasure was asked for that has waited for longest."""
    found = await tx.execute(sa.text("SELECT min(asked_at) FROM erasures WHERE closed_at IS NULL"))
    return found.scalar_one()


async def read_farewell(tx: Transaction, *, user_id: UUID) -> MailRecipient | None:
    found = await tx.execute(
        sa.text("SELECT email, language FROM farewells WHERE user_id = :user_id"), {"user_id": user_id}
    )
    row = found.mappings().one_or_none()
    return None if row is None else MailRecipient(**row)


async def forget_farewell(tx: Transaction, *, user_id: UUID) -> None:
    await tx.execute(sa.text("DELETE FROM farewells WHERE user_id = :user_id"), {"user_id": user_id})
