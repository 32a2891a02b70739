import sqlalchemy as sa

from common.postgres.common_tables import new_metadata, text, timestamp, uuid
from common.postgres.tables import ALL, Grants, Schema, TableAccess

metadata = new_metadata()

sa.Table(
    "calendar_owners",
    metadata,
    uuid("user_id", primary_key=True),
    timestamp("created_at", default_now=True),
)

sa.Table(
    "categories",
    metadata,
    uuid("id", primary_key=True),
    uuid("user_id"),
    text("name"),
    text("colour"),
    sa.Column("position", sa.Integer, nullable=False),
    timestamp("created_at", default_now=True),
    sa.ForeignKeyConstraint(
        ["user_id"], ["calendar_owners.user_id"], name="categories_user_id_fkey", ondelete="CASCADE"
    ),
    sa.UniqueConstraint("user_id", "name", name="categories_user_id_name_key"),
    sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
    sa.CheckConstraint("colour ~ '^#[0-9a-f]{6}$'", name="colour"),
)

SCHEMA = Schema(
    "calendar",
    own=(
        TableAccess("calendar_owners", "user", user=Grants(select=ALL, insert=("user_id",))),
        TableAccess(
            "categories",
            "user",
            user=Grants(select=ALL, insert=("id", "user_id", "name", "colour", "position")),
        ),
    ),
    metadata=metadata,
)

HEAD = "calendar_0004"
"""The oldest revision that this code works with; readiness compares it with the database's."""
