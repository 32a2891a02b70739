"""Which picture a user shows; the picture itself lies in the storage of files."""

from alembic import op

revision = "profile_0005"
down_revision = "profile_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(r"""
        create table avatars (
            user_id uuid not null,
            blob text,
            version integer not null default 1,
            updated_at timestamptz not null,
            constraint avatars_pkey primary key (user_id),
            constraint avatars_user_id_fkey
                foreign key (user_id) references profiles (user_id) on delete cascade,
            constraint avatars_blob_check
                check (blob ~ ('^avatars/' || user_id || '/[0-9a-f]{64}-[0-9a-f]{32}\.webp$'))
        );
    """)


def downgrade() -> None:
    op.execute("drop table avatars;")
