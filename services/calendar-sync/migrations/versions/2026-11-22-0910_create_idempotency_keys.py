"""What was answered to a POST with an Idempotency-Key, for whoever sends it again."""

from alembic import op

from common.postgres.versions import common_tables_v2, drop_common_tables_v2

revision = "calendar_0002"
down_revision = "calendar_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(common_tables_v2())


def downgrade() -> None:
    op.execute(drop_common_tables_v2())
