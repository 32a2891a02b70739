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
            hashed_password text,
            full_name text,
            timezone text not null default 'UTC',
            language text not null default 'en',
            role text not null default 'user',
            is_active boolean not null default true,
            is_verified boolean not null default false,
            version integer not null default 1,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint users_pkey primary key (id),
            constraint users_email_norm_key unique (email_norm),
            constraint users_email_check check (char_length(email) <= 320),
            constraint users_email_norm_check check (
                email_norm = lower(email_norm) and char_length(email_norm) between 5 and 320
                and email_norm ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
            constraint users_full_name_check check (char_length(full_name) between 2 and 200),
            constraint users_language_check check (
                language ~ '^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$'),
            constraint users_role_check check (role in ('user', 'staff', 'admin')),
            constraint users_version_check check (version >= 1)
        );
        create index users_is_active_is_verified_idx on users (is_active, is_verified);
        create index users_created_at_idx on users (created_at);
        create table signing_keys (
            kid text not null,
            public_jwk jsonb not null,
            private_sealed bytea,
            state text not null,
            created_at timestamptz not null default now(),
            changed_at timestamptz not null default now(),
            constraint signing_keys_pkey primary key (kid),
            constraint signing_keys_state_check check (state in ('pending', 'active', 'retiring', 'retired')),
            constraint signing_keys_private_sealed_check check (
                private_sealed is not null or state = 'retired')
        );
    """)


def downgrade() -> None:
    op.execute("drop table signing_keys; drop table users;")
    op.execute(drop_common_tables_v1())
