"""Users who were erased are remembered, so that nothing brings them back."""

from alembic import op

from common.postgres.versions import common_tables_v4, drop_common_tables_v4

revision = "calendar_0004"
down_revision = "calendar_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(common_tables_v4())


def downgrade() -> None:
    op.execute(drop_common_tables_v4())
