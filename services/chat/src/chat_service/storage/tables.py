import sqlalchemy as sa

from common.postgres.common_tables import new_metadata, timestamp, uuid
from common.postgres.tables import ALL, Grants, Schema, TableAccess

metadata = new_metadata()

sa.Table(
    "learners",
    metadata,
    uuid("user_id", primary_key=True),
    timestamp("created_at", default_now=True),
)

sa.Table(
    "usage_weekly",
    metadata,
    uuid("user_id", primary_key=True),
    sa.Column("week", sa.Date, primary_key=True),
    sa.Column("messages", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("tokens", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.ForeignKeyConstraint(
        ["user_id"], ["learners.user_id"], name="usage_weekly_user_id_fkey", ondelete="CASCADE"
    ),
    sa.CheckConstraint("messages >= 0", name="messages"),
    sa.CheckConstraint("tokens >= 0", name="tokens"),
    sa.CheckConstraint("extract(isodow FROM week) = 1", name="week"),
)

SCHEMA = Schema(
    "chat",
    own=(
        TableAccess("learners", "user", user=Grants(select=ALL, insert=("user_id",))),
        TableAccess("usage_weekly", "user", user=Grants(select=ALL, insert=("user_id", "week"))),
    ),
    metadata=metadata,
)

HEAD = "chat_0004"
"""The oldest revision that this code works with; readiness compares it with the database's."""
