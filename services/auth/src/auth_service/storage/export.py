"""What auth tells a user who takes their data along: everything but what opens something."""

from common.export import Export, Section

_HASH = "a hash, by which a password could be guessed"

EXPORT = Export(
    own={
        "account": Section(
            "users",
            (
                *("email", "full_name", "timezone", "language", "role", "is_active", "is_verified"),
                *("version", "created_at", "updated_at"),
            ),
            order_by="id",
            owner="id",
        ),
        "logins": Section(
            "login_stats",
            ("last_login_at", "login_count", "failed_login_attempts", "locked_until"),
            order_by="user_id",
        ),
        "sessions": Section(
            "authentication_sessions",
            (
                *("id", "created_at", "last_seen_at", "expires_at", "ends_at", "is_active", "revoked_at"),
                *("revoke_reason", "user_agent", "network", "label", "amr", "auth_time", "refreshed_at"),
            ),
            order_by="created_at, id",
        ),
        "mail_links": Section(
            "mail_links",
            ("purpose", "created_at", "expires_at", "used_at", "email", "former_email"),
            order_by="created_at, id",
        ),
        "exports": Section(
            "exports",
            ("id", "asked_at", "ready_at", "expires_at", "parts"),
            order_by="asked_at, id",
        ),
    },
    own_kept_back={
        "users.hashed_password": _HASH,
        "users.email_norm": "the address once more, as it is compared",
        "authentication_sessions.refresh_counter": "what refresh tokens are made of",
        "mail_links.id": "what links are made of",
        "mail_links.hashed_password": _HASH,
        "mail_links.email_norm": "the address once more, as it is compared",
        "exports.key_sealed": "what opens the files of an export",
        "registrations": "two bytes of a password's tag, kept for a day",
        "erasures": "of an erased user nothing is left that could be told",
        "farewells": "of an erased user nothing is left that could be told",
    },
)
