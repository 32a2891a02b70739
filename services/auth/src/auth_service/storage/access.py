"""Who may do what with auth's tables."""

from dataclasses import replace
from typing import Final

from common.postgres.context import Context
from common.postgres.tables import ALL, COMMON_TABLES, Grants, TableAccess, View

_REGISTERED = ("id", "email", "email_norm", "hashed_password", "full_name", "timezone", "language")
_SESSION_CHANGES = (
    *("last_seen_at", "expires_at", "is_active", "revoked_at", "revoke_reason", "user_agent", "network"),
    *("label", "amr", "auth_time", "refresh_counter", "refreshed_at"),
)
_ACCOUNT_SHOWN = (
    *("id", "email", "email_norm", "full_name", "timezone", "language", "role", "is_active", "is_verified"),
    *("version", "created_at", "updated_at"),
)


def _and_deletes(name: str) -> TableAccess:
    table = next(one for one in COMMON_TABLES if one.name == name)
    return replace(table, user=replace(table.user, delete=True))


# Whoever erases their account deletes their own rows in the transaction that takes the account.
OWN: Final = (
    TableAccess(
        "users",
        "user",
        owner_column="id",
        # role and is_active lie outside: nobody makes themselves an administrator or active again
        user=Grants(
            select=ALL,
            insert=_REGISTERED,
            update=(
                *("email", "email_norm", "hashed_password", "full_name", "timezone", "language"),
                *("is_verified", "version", "updated_at"),
            ),
            delete=True,
        ),
        others={
            Context.LOGIN: Grants(select=("id", "email_norm")),
            Context.STAFF: Grants(select=_ACCOUNT_SHOWN),
            Context.ADMIN: Grants(
                select=_ACCOUNT_SHOWN, update=("role", "is_active", "version", "updated_at")
            ),
        },
    ),
    TableAccess(
        "login_stats",
        "user",
        user=Grants(
            select=ALL,
            insert=("user_id",),
            update=("last_login_at", "login_count", "failed_login_attempts"),
            delete=True,
        ),
        others={
            Context.STAFF: Grants(select=ALL),
            Context.ADMIN: Grants(
                select=("user_id",), insert=("user_id", "locked_until"), update=("locked_until",)
            ),
        },
    ),
    TableAccess(
        "authentication_sessions",
        "user",
        user=Grants(select=ALL, insert=ALL, update=_SESSION_CHANGES, delete=True),
        others={
            Context.STAFF: Grants(select=ALL),
            Context.ADMIN: Grants(
                select=("id", "user_id", "is_active", "expires_at"),
                update=("is_active", "revoked_at", "revoke_reason"),
            ),
        },
    ),
    TableAccess(
        "mail_links",
        "user",
        user=Grants(select=ALL, insert=ALL, update=("used_at", "former_email"), delete=True),
    ),
    TableAccess(
        "exports",
        "user",
        user=Grants(
            select=ALL,
            insert=("id", "user_id", "asked_at", "expires_at", "key_sealed"),
            update=("ready_at", "expires_at", "parts"),
            delete=True,
        ),
    ),
    _and_deletes("jobs"),
    _and_deletes("idempotency_keys"),
    TableAccess("erased_users", "user", user=Grants(select=ALL, insert=("user_id",)), outlives_users=True),
    TableAccess(
        "erasures",
        "user",
        user=Grants(select=ALL, insert=("user_id", "version", "asked_at", "told_at")),
        outlives_users=True,
    ),
    TableAccess("farewells", "user", user=Grants(select=ALL, insert=ALL, delete=True)),
    TableAccess(
        "registrations",
        "user",
        user=Grants(select=ALL, insert=ALL, update=("expires_at", "tried_at"), delete=True),
    ),
    TableAccess(
        "login_attempts",
        "system",
        others={Context.LOGIN: Grants(select=ALL, insert=ALL, update=ALL)},
    ),
    TableAccess("signing_keys", "shared"),
    TableAccess("service_clients", "shared"),
    # auth's api ends a session and says so in one transaction; everywhere else the event says it
    TableAccess(
        "revoked_sids", "shared", user=Grants(insert=ALL), others={Context.ADMIN: Grants(insert=ALL)}
    ),
)

VIEWS: Final = (
    View(
        "users_with_logins",
        # an older system had these in one table; its hash is left out: who reports needs none
        """
        select u.id, u.email, u.email_norm, u.full_name, u.is_active, u.is_verified, u.role,
            u.timezone, u.language, s.last_login_at, coalesce(s.login_count, 0) as login_count,
            coalesce(s.failed_login_attempts, 0) as failed_login_attempts, s.locked_until,
            u.created_at, u.updated_at, u.version
        from users u left join login_stats s on s.user_id = u.id
        """,
        readers=("user", Context.STAFF, Context.SYSTEM),
    ),
)
