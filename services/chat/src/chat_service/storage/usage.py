from dataclasses import dataclass
from datetime import date
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from common.postgres.asking import put_off
from common.postgres.engine import Transaction
from common.postgres.trip import Step


@dataclass(frozen=True)
class Usage:
    messages: int
    tokens: int


async def insert_learner(tx: Transaction, *, user_id: UUID) -> bool:
    """The user's first row here; every other row of theirs refers to it. False when it is there already."""
    inserted = await tx.execute(
        sa.text("INSERT INTO learners (user_id) VALUES (:user_id) ON CONFLICT DO NOTHING"),
        {"user_id": user_id},
    )
    return inserted.rowcount == 1


def open_week(tx: Transaction, *, user_id: UUID, week: date) -> None:
    put_off(
        tx,
        Step(
            "INSERT INTO usage_weekly (user_id, week) VALUES ($1, $2) ON CONFLICT DO NOTHING", (user_id, week)
        ),
    )


async def read_usage(connection: asyncpg.Connection, *, user_id: UUID, week: date) -> Usage | None:
    """None for somebody who is no learner; nothing used yet in a week without a row."""
    row = await connection.fetchrow(
        """
        SELECT coalesce(used.messages, 0) AS messages, coalesce(used.tokens, 0) AS tokens
        FROM learners LEFT JOIN usage_weekly used ON used.user_id = learners.user_id AND used.week = $2
        WHERE learners.user_id = $1
        """,
        user_id,
        week,
    )
    return None if row is None else Usage(**row)
