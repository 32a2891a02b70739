from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from common.postgres.asking import put_off
from common.postgres.engine import Transaction
from common.postgres.trip import Step


def begin_counting(tx: Transaction, *, user_id: UUID) -> None:
    """In the transaction that makes the user."""
    put_off(tx, Step("INSERT INTO login_stats (user_id) VALUES ($1) ON CONFLICT DO NOTHING", (user_id,)))


async def count_login(tx: Transaction, *, user_id: UUID, now: datetime) -> None:
    await tx.execute(
        sa.text("""
            UPDATE login_stats
            SET login_count = login_count + 1, last_login_at = :now, failed_login_attempts = 0
            WHERE user_id = :user_id
        """),
        {"user_id": user_id, "now": now},
    )


async def count_failed_login(tx: Transaction, *, user_id: UUID) -> None:
    """Since the last full login; nothing hangs on it, what locks is counted in login_attempts."""
    await tx.execute(
        sa.text("""
            UPDATE login_stats SET failed_login_attempts = least(failed_login_attempts + 1, 1000000)
            WHERE user_id = :user_id
        """),
        {"user_id": user_id},
    )
