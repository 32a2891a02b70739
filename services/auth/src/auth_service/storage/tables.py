import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from common.postgres.common_tables import new_metadata, text, timestamp, uuid
from common.postgres.context import Context
from common.postgres.tables import ALL, READ, Grants, Schema, TableAccess

metadata = new_metadata()

sa.Table(
    "users",
    metadata,
    uuid("id", primary_key=True),
    text("email"),
    text("email_norm"),
    text("password_hash"),
    text("full_name", nullable=True),
    text("timezone", nullable=True),
    text("language", nullable=True),
    sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
    sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    timestamp("verified_at", nullable=True),
    timestamp("created_at", default_now=True),
    timestamp("updated_at", default_now=True),
    sa.UniqueConstraint("email_norm", name="users_email_norm_key"),
    sa.CheckConstraint("char_length(email) <= 320", name="email"),
    sa.CheckConstraint("char_length(full_name) BETWEEN 1 AND 200", name="full_name"),
)

sa.Table(
    "signing_keys",
    metadata,
    text("kid", primary_key=True),
    sa.Column("public_jwk", JSONB, nullable=False),
    sa.Column("private_sealed", BYTEA, nullable=False),
    timestamp("created_at", default_now=True),
)

_REGISTERED = ("id", "email", "email_norm", "password_hash", "full_name", "timezone", "language")

SCHEMA = Schema(
    "auth",
    own=(
        TableAccess(
            "users",
            "user",
            owner_column="id",
            # is_active lies outside: nobody makes their own account active again
            user=Grants(select=ALL, insert=_REGISTERED),
            system=READ,
            others={Context.LOGIN: Grants(select=("id", "email_norm"))},
        ),
        TableAccess("signing_keys", "shared", system=Grants(select=ALL, insert=ALL)),
    ),
    metadata=metadata,
)

HEAD = "auth_0002"
"""The oldest revision that this code works with; readiness compares it with the database's."""
