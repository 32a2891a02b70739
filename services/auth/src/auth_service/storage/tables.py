import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from auth_service.storage.access import OWN, VIEWS
from common.crypto import SealedColumn
from common.postgres.common_tables import new_metadata, text, timestamp, uuid
from common.postgres.tables import Schema

metadata = new_metadata()
_TRUE, _FALSE, _ZERO = sa.text("true"), sa.text("false"), sa.text("0")


def _of_user(*, primary_key: bool = False) -> tuple[sa.Column[object], sa.ForeignKeyConstraint]:
    column = uuid("user_id", primary_key=primary_key)
    return column, sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE")


def _texts(name: str) -> sa.Column[list[str]]:
    return sa.Column(name, ARRAY(sa.Text), nullable=False)


sa.Table(
    "users",
    metadata,
    uuid("id", primary_key=True),
    text("email"),
    text("email_norm"),
    text("hashed_password", nullable=True),
    text("full_name", nullable=True),
    sa.Column("timezone", sa.Text, nullable=False, server_default="UTC"),
    sa.Column("language", sa.Text, nullable=False, server_default="en"),
    sa.Column("role", sa.Text, nullable=False, server_default="user"),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=_TRUE),
    sa.Column("is_verified", sa.Boolean, nullable=False, server_default=_FALSE),
    sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    timestamp("created_at", default_now=True),
    timestamp("updated_at", default_now=True),
    sa.UniqueConstraint("email_norm", name="users_email_norm_key"),
    sa.CheckConstraint("char_length(email) <= 320", name="email"),
    sa.CheckConstraint(
        "email_norm = lower(email_norm) and char_length(email_norm) between 5 and 320"
        " and email_norm ~ '^[^@[:space:]]+@[^@[:space:]]+$'",
        name="email_norm",
    ),
    sa.CheckConstraint("char_length(full_name) BETWEEN 2 AND 200", name="full_name"),
    sa.CheckConstraint("language ~ '^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$'", name="language"),
    sa.CheckConstraint("role in ('user', 'staff', 'admin')", name="role"),
    sa.CheckConstraint("version >= 1", name="version"),
    sa.Index("users_is_active_is_verified_idx", "is_active", "is_verified"),
    sa.Index("users_created_at_idx", "created_at"),
)

sa.Table(
    "login_stats",
    metadata,
    *_of_user(primary_key=True),
    timestamp("last_login_at", nullable=True),
    sa.Column("login_count", sa.BigInteger, nullable=False, server_default=_ZERO),
    sa.Column("failed_login_attempts", sa.Integer, nullable=False, server_default=_ZERO),
    timestamp("locked_until", nullable=True),
    sa.CheckConstraint("login_count >= 0", name="login_count"),
    sa.CheckConstraint("failed_login_attempts >= 0", name="failed_login_attempts"),
    sa.Index("login_stats_last_login_at_idx", "last_login_at"),
)

sa.Table(
    "authentication_sessions",
    metadata,
    uuid("id", primary_key=True),
    *_of_user(),
    timestamp("created_at", default_now=True),
    timestamp("last_seen_at", default_now=True),
    timestamp("expires_at"),
    timestamp("ends_at"),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=_TRUE),
    timestamp("revoked_at", nullable=True),
    text("revoke_reason", nullable=True),
    text("user_agent", nullable=True),
    text("network", nullable=True),
    text("label", nullable=True),
    _texts("amr"),
    timestamp("auth_time"),
    sa.Column("refresh_counter", sa.BigInteger, nullable=False, server_default=_ZERO),
    timestamp("refreshed_at", nullable=True),
    sa.CheckConstraint("expires_at <= ends_at", name="expires_at"),
    sa.CheckConstraint("is_active = (revoked_at is null)", name="revoked_at"),
    sa.CheckConstraint("char_length(label) between 1 and 100", name="label"),
    sa.CheckConstraint("char_length(user_agent) <= 512", name="user_agent"),
    sa.CheckConstraint("refresh_counter >= 0", name="refresh_counter"),
    sa.Index(
        "authentication_sessions_user_id_expires_at_idx",
        "user_id",
        "expires_at",
        postgresql_where=sa.text("is_active"),
    ),
    sa.Index("authentication_sessions_expires_at_idx", "expires_at"),
    sa.Index(
        "authentication_sessions_revoked_at_idx", "revoked_at", postgresql_where=sa.text("not is_active")
    ),
)

sa.Table(
    "mail_links",
    metadata,
    uuid("id", primary_key=True),
    *_of_user(),
    text("purpose"),
    timestamp("created_at", default_now=True),
    timestamp("expires_at"),
    timestamp("used_at", nullable=True),
    text("hashed_password", nullable=True),
    text("email", nullable=True),
    text("email_norm", nullable=True),
    text("former_email", nullable=True),
    sa.CheckConstraint("purpose in ('verify_email', 'reset_password', 'confirm_email')", name="purpose"),
    sa.CheckConstraint(
        "(purpose = 'confirm_email') = (email is not null and email_norm is not null)", name="email"
    ),
    sa.Index("mail_links_user_id_purpose_created_at_idx", "user_id", "purpose", "created_at"),
    sa.Index("mail_links_expires_at_idx", "expires_at"),
)

sa.Table(
    "registrations",
    metadata,
    *_of_user(primary_key=True),
    sa.Column("password_tag", BYTEA, primary_key=True),
    timestamp("expires_at"),
    timestamp("tried_at", nullable=True),
    sa.CheckConstraint("octet_length(password_tag) = 2", name="password_tag"),
    sa.Index("registrations_expires_at_idx", "expires_at"),
)

# Which service has told its part of what a user takes along; the parts are files, sealed with the row's key.
sa.Table(
    "exports",
    metadata,
    uuid("id", primary_key=True),
    *_of_user(),
    timestamp("asked_at"),
    timestamp("ready_at", nullable=True),
    timestamp("expires_at"),
    sa.Column("parts", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("key_sealed", BYTEA, nullable=False),
    sa.Index("exports_user_id_idx", "user_id", "asked_at"),
    sa.Index("exports_expires_at_idx", "expires_at"),
)

sa.Table(
    "erasures",
    metadata,
    uuid("user_id", primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    timestamp("asked_at"),
    timestamp("told_at"),
    sa.Column("confirmed", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    timestamp("closed_at", nullable=True),
    sa.Index("erasures_closed_at_idx", "closed_at"),
)

# Where a last mail goes to; the row goes with the mail, or after a day.
sa.Table(
    "farewells",
    metadata,
    uuid("user_id", primary_key=True),
    text("email"),
    text("language"),
    timestamp("asked_at"),
    sa.Index("farewells_asked_at_idx", "asked_at"),
)

sa.Table(
    "login_attempts",
    metadata,
    sa.Column("who", BYTEA, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False, server_default=_ZERO),
    timestamp("failed_at"),
    timestamp("locked_until", nullable=True),
    sa.CheckConstraint("failures >= 0", name="failures"),
    sa.Index("login_attempts_failed_at_idx", "failed_at"),
)

sa.Table(
    "signing_keys",
    metadata,
    text("kid", primary_key=True),
    sa.Column("public_jwk", JSONB, nullable=False),
    sa.Column("private_sealed", BYTEA),
    text("state"),
    timestamp("created_at", default_now=True),
    timestamp("changed_at", default_now=True),
    sa.CheckConstraint("state in ('pending', 'active', 'retiring', 'retired')", name="state"),
    sa.CheckConstraint("private_sealed is not null or state = 'retired'", name="private_sealed"),
)

sa.Table(
    "service_clients",
    metadata,
    text("client_id", primary_key=True),
    sa.Column("secret_hash", BYTEA, nullable=False),
    _texts("audiences"),
    _texts("scopes"),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=_TRUE),
    timestamp("created_at", default_now=True),
)

PRIVATE_SEALED = SealedColumn("signing_keys", "private_sealed", row="kid", row_type="text")
EXPORT_KEY = SealedColumn("exports", "key_sealed", row="id")

SCHEMA = Schema("auth", own=OWN, views=VIEWS, metadata=metadata, sealed=(PRIVATE_SEALED, EXPORT_KEY))

HEAD = "auth_0006"
"""The oldest revision that this code works with; readiness compares it with the database's."""
