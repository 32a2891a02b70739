"""Accounts and the keys that sign access tokens."""

from alembic import op

from common.postgres.versions import common_tables_v1, drop_common_tables_v1

revision = "auth_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(common_tables_v1())
    op.execute("""
        create table users (
            id uuid not null,
            email text not null,
            email_norm text not null,
            password_hash text not null,
            full_name text,
            timezone text,
            language text,
            is_active boolean not null default true,
            version integer not null default 1,
            verified_at timestamptz,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint users_pkey primary key (id),
            constraint users_email_norm_key unique (email_norm),
            constraint users_email_check check (char_length(email) <= 320),
            constraint users_full_name_check check (char_length(full_name) between 1 and 200)
        );
        create table signing_keys (
            kid text not null,
            public_jwk jsonb not null,
            private_sealed bytea not null,
            created_at timestamptz not null default now(),
            constraint signing_keys_pkey primary key (kid)
        );
    """)


def downgrade() -> None:
    op.execute("drop table signing_keys; drop table users;")
    op.execute(drop_common_tables_v1())
