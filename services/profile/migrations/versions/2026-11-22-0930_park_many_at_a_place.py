"""Messages of two clusters may be parked that stood at the same place."""

from alembic import op

from common.postgres.versions import common_tables_v3, drop_common_tables_v3

revision = "profile_0003"
down_revision = "profile_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(common_tables_v3())


def downgrade() -> None:
    op.execute(drop_common_tables_v3())
