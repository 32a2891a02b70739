"""Who practises here, and how much they did each week."""

from alembic import op

from common.postgres.versions import common_tables_v1, drop_common_tables_v1

revision = "chat_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(common_tables_v1())
    op.execute("""
        create table learners (
            user_id uuid not null,
            created_at timestamptz not null default now(),
            constraint learners_pkey primary key (user_id)
        );
        create table usage_weekly (
            user_id uuid not null,
            week date not null,
            messages integer not null default 0,
            tokens bigint not null default 0,
            constraint usage_weekly_pkey primary key (user_id, week),
            constraint usage_weekly_user_id_fkey foreign key (user_id)
                references learners (user_id) on delete cascade,
            constraint usage_weekly_messages_check check (messages >= 0),
            constraint usage_weekly_tokens_check check (tokens >= 0),
            constraint usage_weekly_week_check check (extract(isodow from week) = 1)
        );
    """)


def downgrade() -> None:
    op.execute("drop table usage_weekly; drop table learners;")
    op.execute(drop_common_tables_v1())
