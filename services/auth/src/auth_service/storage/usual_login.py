"""A login with nothing to be decided on its way, in one trip; and whose the address is, in one before."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.storage.credentials import StoredPassword
from auth_service.storage.sessions import NewSession
from common.postgres.context import Context
from common.postgres.engine import Database
from common.postgres.one_trip import in_one_trip
from common.postgres.trip import Step

_FIND = """
    SELECT u.id, (
        SELECT max(a.locked_until) FROM login_attempts a WHERE a.locked_until > $2 AND a.who = ANY (
            CASE WHEN u.id = CAST($4 AS uuid) THEN CAST($5 AS bytea[]) ELSE CAST($3 AS bytea[]) END))
    FROM (VALUES (1)) AS always LEFT JOIN users u ON u.email_norm = $1
"""

# A failure that stands is forgiven, and a lock refuses, with the counters held: that is the long way.
_COUNTED = """
    SELECT set_config('app.login_attempts', CASE WHEN EXISTS (
        SELECT FROM login_attempts WHERE who = ANY ($1) AND (failures > 0 OR locked_until > $2)
    ) THEN 'some' ELSE 'none' END, true)
"""

# FOR SHARE: a password that is being changed is waited for, and then is not the one that was looked at.
_BEGIN = """
    WITH usual AS (
        SELECT u.id, u.role FROM users u LEFT JOIN login_stats s ON s.user_id = u.id
        WHERE u.id = $1 AND u.hashed_password = $2 AND u.is_verified AND u.is_active
            AND coalesce(s.locked_until <= $5, true)
            AND current_setting('app.login_attempts', true) = 'none'
            AND NOT EXISTS (SELECT FROM registrations r
                WHERE r.user_id = $1 AND r.password_tag = CAST($3 AS bytea) AND r.expires_at > $5)
            AND (SELECT count(*) FROM authentication_sessions
                WHERE user_id = $1 AND is_active AND expires_at > $5) < CAST($4 AS bigint)
        FOR SHARE OF u
    ), counted AS (
        UPDATE login_stats s
        SET login_count = login_count + 1, last_login_at = $5, failed_login_attempts = 0
        FROM usual WHERE s.user_id = usual.id
    ), begun AS (
        INSERT INTO authentication_sessions
            (id, user_id, created_at, last_seen_at, expires_at, ends_at, amr, auth_time,
             user_agent, network, label)
        SELECT CAST($6 AS uuid), usual.id, $5, $5, CAST($7 AS timestamptz), CAST($8 AS timestamptz),
            CAST($9 AS text[]), $5, $10, $11, $12
        FROM usual
    )
    SELECT role FROM usual
"""


@dataclass(frozen=True)
class FoundLogin:
    user_id: UUID | None
    locked_until: datetime | None


async def find_login(
    database: Database,
    *,
    email_norm: str,
    who: Collection[bytes],
    device_of: UUID | None,
    who_on_device: Collection[bytes],
    now: datetime,
) -> FoundLogin:
    """As login. `who_on_device` counts in place of `who` when the address is of the user `device_of`."""
    rows = await in_one_trip(
        database,
        _FIND,
        *(email_norm, now, sorted(who), device_of, sorted(who_on_device)),
        as_user=Context.LOGIN,
    )
    return FoundLogin(*rows[0])


async def begin_usual_session(
    database: Database,
    session: NewSession,
    *,
    who: Collection[bytes],
    stored: StoredPassword,
    password_tag: bytes,
) -> str | None:
    """The user's role; None, and nothing is changed, when anything is not as it is at most logins."""
    rows = await in_one_trip(
        database,
        _BEGIN,
        *(session.user_id, stored.hashed, password_tag, session.most, session.created_at),
        *(session.id, session.expires_at, session.ends_at, session.amr),
        *(session.device.user_agent, session.device.network, session.label),
        as_user=session.user_id,
        first=[Step(_COUNTED, (sorted(who), session.created_at), Context.LOGIN)],
        repeatable=False,
    )
    return rows[0][0] if rows else None
