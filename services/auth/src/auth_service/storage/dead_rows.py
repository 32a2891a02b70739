"""What is past its time in auth's tables, as system; one statement deletes a few of them."""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from auth_service.domain.login_locks import FORGOTTEN_AFTER
from common.postgres.engine import Transaction

RETIRED_KEYS_KEPT = timedelta(days=365)
FAREWELLS_KEPT = timedelta(days=1)
"""A last mail that did not leave by then is not sent, and its address is forgotten."""
RECEIPTS_KEPT = timedelta(days=90)
_COUNTED_TO = 100_000


@dataclass(frozen=True)
class DeadRows:
    table: str
    key: str
    ended_at: str
    """An index has its order, so that finding a batch costs the same however many rows there are."""
    kept: timedelta
    and_also: str = "true"

    @property
    def _condition(self) -> str:
        return f"{self.ended_at} < now() - CAST(:kept AS interval) AND {self.and_also}"

    async def delete(self, tx: Transaction, *, batch: int) -> int:
        """Skips rows that somebody holds, and waits for nobody."""
        deleted = await tx.execute(
            sa.text(f"""
                WITH dead AS MATERIALIZED (
                    SELECT {self.key} FROM {self.table} WHERE {self._condition}
                    ORDER BY {self.ended_at} LIMIT :batch FOR UPDATE SKIP LOCKED)
                DELETE FROM {self.table} WHERE ({self.key}) IN (SELECT {self.key} FROM dead)
            """),
            {"kept": self.kept, "batch": batch},
        )
        return deleted.rowcount

    async def count(self, tx: Transaction) -> int:
        found = await tx.execute(
            sa.text(f"""
                SELECT count(*) FROM (
                    SELECT FROM {self.table} WHERE {self._condition} LIMIT {_COUNTED_TO}) AS dead
            """),
            {"kept": self.kept},
        )
        return found.scalar_one()


def dead_rows(kept: timedelta) -> tuple[DeadRows, ...]:
    """`kept` is for what a user or an operator may ask about once it is over."""
    return (
        DeadRows("authentication_sessions", "id", "expires_at", kept),
        DeadRows("authentication_sessions", "id", "revoked_at", kept, "NOT is_active"),
        DeadRows("mail_links", "id", "expires_at", kept),
        DeadRows("farewells", "user_id", "asked_at", FAREWELLS_KEPT),
        DeadRows("erasures", "user_id", "closed_at", RECEIPTS_KEPT),
        DeadRows("registrations", "user_id, password_tag", "expires_at", timedelta()),
        DeadRows(
            "login_attempts",
            "who",
            "failed_at",
            FORGOTTEN_AFTER,
            "(locked_until IS NULL OR locked_until < now())",
        ),
        DeadRows("signing_keys", "kid", "changed_at", RETIRED_KEYS_KEPT, "state = 'retired'"),
    )
