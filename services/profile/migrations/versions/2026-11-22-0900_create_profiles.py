"""What users say of themselves."""

from alembic import op

from common.postgres.versions import common_tables_v1, drop_common_tables_v1

revision = "profile_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(common_tables_v1())
    op.execute("""
        create table profiles (
            user_id uuid not null,
            full_name text,
            timezone text,
            language text,
            version integer not null default 1,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint profiles_pkey primary key (user_id),
            constraint profiles_full_name_check check (char_length(full_name) between 1 and 200)
        );
    """)


def downgrade() -> None:
    op.execute("drop table profiles;")
    op.execute(drop_common_tables_v1())
