"""The SQL of the tables of every schema. A version is never edited once released: a change is a new one."""


def common_tables_v1() -> str:
    """Run by each service's first migration, whose search_path names the schema."""
    return _EVENTS + _PARKING + _JOBS + _REST + _PARTITIONS


_EVENTS = """
create table outbox (
    position bigint generated always as identity,
    id uuid not null,
    aggregatetype text not null,
    aggregateid text not null,
    type text not null,
    topic text not null,
    payload json not null,
    headers jsonb not null,
    created_at timestamptz not null default now(),
    constraint outbox_pkey primary key (position)
);
alter table outbox set (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000
);

create table relay_lease (
    shard integer not null,
    holder uuid not null,
    until timestamptz not null,
    epoch bigint not null,
    constraint relay_lease_pkey primary key (shard)
);

create table inbox (
    consumer text not null,
    event_id uuid not null,
    processed_at timestamptz not null default now(),
    constraint inbox_pkey primary key (consumer, event_id)
) partition by range (event_id);
create table inbox_default partition of inbox default;
"""

_PARKING = """
create table parked_keys (
    consumer text not null,
    topic text not null,
    key text not null,
    kind text not null,
    error_class text not null,
    error_detail text not null,
    attempts integer not null default 0,
    parked_at timestamptz not null default now(),
    next_attempt_at timestamptz,
    constraint parked_keys_pkey primary key (consumer, topic, key)
);

create table parked_messages (
    id uuid not null,
    consumer text not null,
    topic text not null,
    partition integer not null,
    record_offset bigint not null,
    key text,
    headers jsonb not null,
    payload bytea,
    kind text not null,
    error_class text not null,
    error_detail text not null,
    attempts integer not null default 0,
    event_id uuid,
    event_type text,
    user_id uuid,
    trace text,
    versions jsonb not null,
    parked_at timestamptz not null default now(),
    constraint parked_messages_pkey primary key (id),
    constraint parked_messages_record_key unique (consumer, topic, partition, record_offset),
    constraint parked_messages_key_fkey foreign key (consumer, topic, key)
        references parked_keys (consumer, topic, key)
);
create index parked_messages_key_idx
    on parked_messages (consumer, topic, key, partition, record_offset);
create index parked_messages_user_id_idx on parked_messages (user_id);
"""

_JOBS = """
create table jobs (
    id uuid not null,
    kind text not null,
    dedupe_key text not null,
    user_id uuid,
    arguments jsonb not null,
    state text not null default 'queued',
    progress jsonb,
    result jsonb,
    attempts integer not null default 0,
    max_attempts integer not null,
    run_at timestamptz not null,
    claim uuid,
    claim_until timestamptz,
    cancel_requested_at timestamptz,
    error text,
    trace text,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint jobs_pkey primary key (id),
    constraint jobs_state_check
        check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    constraint jobs_finished_check
        check ((finished_at is not null) = (state in ('succeeded', 'failed', 'cancelled'))),
    constraint jobs_claim_check check ((state = 'running') = (claim is not null)),
    constraint jobs_claim_until_check check ((claim is null) = (claim_until is null))
);
create unique index jobs_unfinished_key on jobs (kind, dedupe_key) where finished_at is null;
create index jobs_due_idx on jobs (run_at) where finished_at is null;
create index jobs_user_id_idx on jobs (user_id, created_at);
create index jobs_finished_at_idx on jobs (finished_at) where finished_at is not null;
"""

_REST = """
create table heartbeats (
    process text not null,
    at timestamptz not null,
    lag bigint,
    kafka_seen_at timestamptz,
    constraint heartbeats_pkey primary key (process)
);

create table revoked_sids (
    session_id uuid not null,
    revoked_at timestamptz not null,
    expires_at timestamptz not null,
    constraint revoked_sids_pkey primary key (session_id)
);
create index revoked_sids_revoked_at_idx on revoked_sids (revoked_at);
create index revoked_sids_expires_at_idx on revoked_sids (expires_at);

create table audit_log (
    id uuid not null,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    user_id uuid,
    data jsonb not null default '{}',
    constraint audit_log_pkey primary key (id)
) partition by range (id);
create table audit_log_default partition of audit_log default;
create index audit_log_user_id_idx on audit_log (user_id, id);
"""

# The owner's rights are needed to make a table; the functions take no name that they do not quote and
# touch nothing but partitions of a partitioned table of their own schema.
_PARTITIONS = """
create function make_partition(parent text, suffix text, low text, high text) returns boolean
language plpgsql security definer as $$
declare child text := parent || '_' || suffix;
begin
    if not exists (select from pg_partitioned_table p join pg_class c on c.oid = p.partrelid
                   where c.relname = parent and c.relnamespace = current_schema()::regnamespace) then
        raise exception 'no partitioned table % in schema %', parent, current_schema();
    end if;
    if to_regclass(quote_ident(child)) is not null then
        return false;
    end if;
    execute format('create table %I partition of %I for values from (%L) to (%L)', child, parent, low, high);
    execute format('alter table %I enable row level security', child);
    execute format('alter table %I force row level security', child);
    execute format(
        'create policy owner on %I to %I using (current_setting(''app.owner_may'', true) = ''yes'')',
        child, current_user);
    return true;
end $$;

create function drop_partition(parent text, suffix text) returns boolean
language plpgsql security definer as $$
declare child text := parent || '_' || suffix;
begin
    if not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                   join pg_class p on p.oid = i.inhparent
                   where c.relname = child and p.relname = parent
                     and c.relnamespace = current_schema()::regnamespace
                     and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT') then
        return false;
    end if;
    execute format('drop table %I', child);
    return true;
end $$;

do $$
declare path text := format('%I, pg_temp', current_schema());
begin
    execute 'alter function make_partition set search_path = ' || path;
    execute 'alter function drop_partition set search_path = ' || path;
end $$;
revoke all on function make_partition(text, text, text, text) from public;
revoke all on function drop_partition(text, text) from public;
"""


def drop_common_tables_v1() -> str:
    return """
        drop function make_partition(text, text, text, text);
        drop function drop_partition(text, text);
        drop table outbox, relay_lease, inbox, parked_messages, parked_keys, jobs;
        drop table heartbeats, revoked_sids, audit_log;
    """


def common_tables_v2() -> str:
    """The answers to POSTs that carried an Idempotency-Key."""
    return """
        create table idempotency_keys (
            user_id uuid not null,
            key text not null,
            request_hash bytea not null,
            status integer not null,
            headers jsonb not null,
            body bytea,
            created_at timestamptz not null default now(),
            constraint idempotency_keys_pkey primary key (user_id, key),
            constraint idempotency_keys_key_check check (char_length(key) between 1 and 255),
            constraint idempotency_keys_body_check check (octet_length(body) <= 65536)
        );
        create index idempotency_keys_created_at_idx on idempotency_keys (created_at);
    """


def drop_common_tables_v2() -> str:
    return "drop table idempotency_keys;"


def common_tables_v3() -> str:
    """A new cluster counts its offsets from 0 again: another message may stand where a parked one stood."""
    return """
        -- squawk-ignore ban-drop-constraint
        alter table parked_messages drop constraint parked_messages_record_key;
    """


def drop_common_tables_v3() -> str:
    return """
        alter table parked_messages add constraint parked_messages_record_key
            unique (consumer, topic, partition, record_offset);
    """


def common_tables_v4() -> str:
    """Who was erased: no row of theirs is made again, whatever comes late."""
    return """
        create table erased_users (
            user_id uuid not null,
            erased_at timestamptz not null default now(),
            constraint erased_users_pkey primary key (user_id)
        );
    """


def drop_common_tables_v4() -> str:
    return "drop table erased_users;"
