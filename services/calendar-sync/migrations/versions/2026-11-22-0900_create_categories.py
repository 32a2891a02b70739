"""Who has a calendar here, and the categories that events are sorted into."""

from alembic import op

from common.postgres.versions import common_tables_v1, drop_common_tables_v1

revision = "calendar_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(common_tables_v1())
    op.execute("""
        create table calendar_owners (
            user_id uuid not null,
            created_at timestamptz not null default now(),
            constraint calendar_owners_pkey primary key (user_id)
        );
        create table categories (
            id uuid not null,
            user_id uuid not null,
            name text not null,
            colour text not null,
            position integer not null,
            created_at timestamptz not null default now(),
            constraint categories_pkey primary key (id),
            constraint categories_user_id_name_key unique (user_id, name),
            constraint categories_user_id_fkey foreign key (user_id)
                references calendar_owners (user_id) on delete cascade,
            constraint categories_name_check check (char_length(name) between 1 and 100),
            constraint categories_colour_check check (colour ~ '^#[0-9a-f]{6}$')
        );
    """)


def downgrade() -> None:
    op.execute("drop table categories; drop table calendar_owners;")
    op.execute(drop_common_tables_v1())
