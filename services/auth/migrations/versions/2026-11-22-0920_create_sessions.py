"""Sessions, links that mails carry, what is remembered of logins, clients of the internal port."""

from alembic import op

revision = "auth_0003"
down_revision = "auth_0002"
branch_labels = None
depends_on = None


_TABLES = """
create table login_stats (
    user_id uuid not null,
    last_login_at timestamptz,
    login_count bigint not null default 0,
    failed_login_attempts integer not null default 0,
    locked_until timestamptz,
    constraint login_stats_pkey primary key (user_id),
    constraint login_stats_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint login_stats_login_count_check check (login_count >= 0),
    constraint login_stats_failed_login_attempts_check check (failed_login_attempts >= 0)
);
create index login_stats_last_login_at_idx on login_stats (last_login_at);

create table authentication_sessions (
    id uuid not null,
    user_id uuid not null,
    created_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ends_at timestamptz not null,
    is_active boolean not null default true,
    revoked_at timestamptz,
    revoke_reason text,
    user_agent text,
    network text,
    label text,
    amr text[] not null,
    auth_time timestamptz not null,
    refresh_counter bigint not null default 0,
    refreshed_at timestamptz,
    constraint authentication_sessions_pkey primary key (id),
    constraint authentication_sessions_user_id_fkey
        foreign key (user_id) references users (id) on delete cascade,
    constraint authentication_sessions_expires_at_check check (expires_at <= ends_at),
    constraint authentication_sessions_revoked_at_check check (is_active = (revoked_at is null)),
    constraint authentication_sessions_label_check check (char_length(label) between 1 and 100),
    constraint authentication_sessions_user_agent_check check (char_length(user_agent) <= 512),
    constraint authentication_sessions_refresh_counter_check check (refresh_counter >= 0)
);
create index authentication_sessions_user_id_expires_at_idx
    on authentication_sessions (user_id, expires_at) where is_active;
create index authentication_sessions_expires_at_idx on authentication_sessions (expires_at);
create index authentication_sessions_revoked_at_idx
    on authentication_sessions (revoked_at) where not is_active;

create table mail_links (
    id uuid not null,
    user_id uuid not null,
    purpose text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    hashed_password text,
    email text,
    email_norm text,
    former_email text,
    constraint mail_links_pkey primary key (id),
    constraint mail_links_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint mail_links_purpose_check check (
        purpose in ('verify_email', 'reset_password', 'confirm_email')),
    constraint mail_links_email_check check (
        (purpose = 'confirm_email') = (email is not null and email_norm is not null))
);
create index mail_links_user_id_purpose_created_at_idx on mail_links (user_id, purpose, created_at);
create index mail_links_expires_at_idx on mail_links (expires_at);

create table registrations (
    user_id uuid not null,
    password_tag bytea not null,
    expires_at timestamptz not null,
    tried_at timestamptz,
    constraint registrations_pkey primary key (user_id, password_tag),
    constraint registrations_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint registrations_password_tag_check check (octet_length(password_tag) = 2)
);
create index registrations_expires_at_idx on registrations (expires_at);

create table login_attempts (
    who bytea not null,
    failures integer not null default 0,
    failed_at timestamptz not null,
    locked_until timestamptz,
    constraint login_attempts_pkey primary key (who),
    constraint login_attempts_failures_check check (failures >= 0)
);
create index login_attempts_failed_at_idx on login_attempts (failed_at);

create table service_clients (
    client_id text not null,
    secret_hash bytea not null,
    audiences text[] not null,
    scopes text[] not null,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    constraint service_clients_pkey primary key (client_id)
);

create view users_with_logins with (security_invoker = true) as
select u.id, u.email, u.email_norm, u.full_name, u.is_active, u.is_verified, u.role,
    u.timezone, u.language, s.last_login_at, coalesce(s.login_count, 0) as login_count,
    coalesce(s.failed_login_attempts, 0) as failed_login_attempts, s.locked_until,
    u.created_at, u.updated_at, u.version
from users u left join login_stats s on s.user_id = u.id;
"""


def upgrade() -> None:
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute("""
        drop view users_with_logins;
        drop table service_clients;
        drop table login_attempts;
        drop table registrations;
        drop table mail_links;
        drop table authentication_sessions;
        drop table login_stats;
    """)
