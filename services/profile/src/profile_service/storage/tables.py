import sqlalchemy as sa

from common.postgres.common_tables import new_metadata, text, timestamp, uuid
from common.postgres.tables import ALL, Grants, Schema, TableAccess

metadata = new_metadata()

sa.Table(
    "profiles",
    metadata,
    uuid("user_id", primary_key=True),
    text("full_name", nullable=True),
    text("timezone", nullable=True),
    text("language", nullable=True),
    sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    timestamp("created_at", default_now=True),
    timestamp("updated_at", default_now=True),
    sa.CheckConstraint("char_length(full_name) BETWEEN 1 AND 200", name="full_name"),
)

SCHEMA = Schema(
    "profile",
    own=(
        TableAccess(
            "profiles",
            "user",
            user=Grants(select=ALL, insert=("user_id", "full_name", "timezone", "language")),
        ),
    ),
    metadata=metadata,
)

HEAD = "profile_0003"
"""The oldest revision that this code works with; readiness compares it with the database's."""
