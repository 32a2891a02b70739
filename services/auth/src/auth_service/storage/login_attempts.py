"""Failed logins by keyed tags, as login: an address that nobody has leaves the same rows."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, TIMESTAMP

from auth_service.domain.login_locks import FORGOTTEN_AFTER, Attempts
from common.postgres.engine import Transaction

_TAGS = sa.bindparam("who", type_=ARRAY(BYTEA))

_LOCKED_UNTIL = sa.text("""
    SELECT max(locked_until) FROM login_attempts WHERE who = ANY(:who) AND locked_until > :now
""").bindparams(_TAGS)
_HELD = sa.text("""
    SELECT who, failures, locked_until FROM login_attempts WHERE who = ANY(:who) ORDER BY who FOR UPDATE
""").bindparams(_TAGS)
# In the order of their tags, so that two who count the same ones never wait for each other.
_COUNT = sa.text("""
    INSERT INTO login_attempts (who, failures, failed_at)
    SELECT t.who, 1, :now FROM unnest(:who) AS t (who) ORDER BY t.who
    ON CONFLICT (who) DO UPDATE SET failed_at = excluded.failed_at, failures =
        CASE WHEN login_attempts.failed_at < :forgotten THEN 1 ELSE login_attempts.failures + 1 END
    RETURNING who, failures, locked_until
""").bindparams(_TAGS)
_LOCK = sa.text("""
    UPDATE login_attempts a SET locked_until = t.locked_until
    FROM unnest(:who, :until) AS t (who, locked_until) WHERE a.who = t.who
""").bindparams(_TAGS, sa.bindparam("until", type_=ARRAY(TIMESTAMP(timezone=True))))
_FORGIVE = sa.text("""
    UPDATE login_attempts SET failures = 0, locked_until = NULL WHERE who = ANY(:who)
""").bindparams(_TAGS)


async def read_locked_until(tx: Transaction, who: Collection[bytes], *, now: datetime) -> datetime | None:
    """None when none of them is locked; else when the last of them no longer is."""
    found = await tx.execute(_LOCKED_UNTIL, {"who": sorted(who), "now": now})
    return found.scalar_one()


async def hold_attempts(tx: Transaction, who: Collection[bytes]) -> dict[bytes, Attempts]:
    """Nobody counts on them until the transaction ends."""
    found = await tx.execute(_HELD, {"who": sorted(who)})
    return {row.who: Attempts(row.failures, row.locked_until) for row in found}


async def count_failure(tx: Transaction, who: Collection[bytes], *, now: datetime) -> dict[bytes, Attempts]:
    counted = await tx.execute(_COUNT, {"who": sorted(who), "now": now, "forgotten": now - FORGOTTEN_AFTER})
    return {row.who: Attempts(row.failures, row.locked_until) for row in counted}


async def lock_attempts(tx: Transaction, until: Mapping[bytes, datetime]) -> None:
    """In the transaction that counted."""
    await tx.execute(_LOCK, {"who": list(until), "until": list(until.values())})


async def forgive_attempts(tx: Transaction, who: Collection[bytes]) -> None:
    await tx.execute(_FORGIVE, {"who": sorted(who)})
