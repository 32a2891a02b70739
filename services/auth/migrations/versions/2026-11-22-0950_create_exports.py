"""What users asked to take along: whose it is, which services have told their part, and what opens it."""

from alembic import op

revision = "auth_0006"
down_revision = "auth_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table exports (
            id uuid not null,
            user_id uuid not null,
            asked_at timestamptz not null,
            ready_at timestamptz,
            expires_at timestamptz not null,
            parts jsonb not null default '{}',
            key_sealed bytea not null,
            constraint exports_pkey primary key (id),
            constraint exports_user_id_fkey foreign key (user_id) references users (id) on delete cascade
        );
        create index exports_user_id_idx on exports (user_id, asked_at);
        create index exports_expires_at_idx on exports (expires_at);
    """)


def downgrade() -> None:
    op.execute("drop table exports;")
