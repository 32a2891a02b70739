"""The tables of every schema as SQLAlchemy sees them: for queries, and for the test that finds drift."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSON, JSONB, TIMESTAMP, UUID

NAMES = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
}
"""PostgreSQL's own names, so that SQL written by hand and tables built here agree."""

_common = sa.MetaData(naming_convention=NAMES)


def new_metadata() -> sa.MetaData:
    """A service's metadata: the common tables are in it, its own are added by declaring them."""
    metadata = sa.MetaData(naming_convention=NAMES)
    for table in _common.tables.values():
        table.to_metadata(metadata)
    return metadata


def timestamp(name: str, *, nullable: bool = False, default_now: bool = False) -> sa.Column[object]:
    default = sa.func.now() if default_now else None
    return sa.Column(name, TIMESTAMP(timezone=True), nullable=nullable, server_default=default)


def uuid(name: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column(name, UUID(as_uuid=True), nullable=nullable, primary_key=primary_key)


def text(name: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable, primary_key=primary_key)


def _jsonb(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[object]:
    return sa.Column(
        name,
        JSONB(none_as_null=True),
        nullable=nullable,
        server_default=None if default is None else sa.text(f"'{default}'::jsonb"),
    )


def _count(name: str, *, default: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0") if default else None)


outbox = sa.Table(
    "outbox",
    _common,
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    uuid("id"),
    text("aggregatetype"),
    text("aggregateid"),
    text("type"),
    text("topic"),
    sa.Column("payload", JSON, nullable=False),
    _jsonb("headers"),
    timestamp("created_at", default_now=True),
)

relay_lease = sa.Table(
    "relay_lease",
    _common,
    sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
    uuid("holder"),
    timestamp("until"),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

inbox = sa.Table(
    "inbox",
    _common,
    text("consumer", primary_key=True),
    uuid("event_id", primary_key=True),
    timestamp("processed_at", default_now=True),
    postgresql_partition_by="range (event_id)",
)

parked_keys = sa.Table(
    "parked_keys",
    _common,
    text("consumer", primary_key=True),
    text("topic", primary_key=True),
    text("key", primary_key=True),
    text("kind"),
    text("error_class"),
    text("error_detail"),
    _count("attempts"),
    timestamp("parked_at", default_now=True),
    timestamp("next_attempt_at", nullable=True),
)

parked_messages = sa.Table(
    "parked_messages",
    _common,
    uuid("id", primary_key=True),
    text("consumer"),
    text("topic"),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("record_offset", sa.BigInteger, nullable=False),
    text("key", nullable=True),
    _jsonb("headers"),
    sa.Column("payload", BYTEA),
    text("kind"),
    text("error_class"),
    text("error_detail"),
    _count("attempts"),
    uuid("event_id", nullable=True),
    text("event_type", nullable=True),
    uuid("user_id", nullable=True),
    text("trace", nullable=True),
    _jsonb("versions"),
    timestamp("parked_at", default_now=True),
    sa.ForeignKeyConstraint(
        ["consumer", "topic", "key"],
        ["parked_keys.consumer", "parked_keys.topic", "parked_keys.key"],
        name="parked_messages_key_fkey",
    ),
    sa.Index("parked_messages_key_idx", "consumer", "topic", "key", "partition", "record_offset"),
    sa.Index("parked_messages_user_id_idx", "user_id"),
)

_FINISHED = sa.text("finished_at IS NOT NULL")
_UNFINISHED = sa.text("finished_at IS NULL")

jobs = sa.Table(
    "jobs",
    _common,
    uuid("id", primary_key=True),
    text("kind"),
    text("dedupe_key"),
    uuid("user_id", nullable=True),
    _jsonb("arguments"),
    sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'queued'::text")),
    _jsonb("progress", nullable=True),
    _jsonb("result", nullable=True),
    _count("attempts"),
    _count("max_attempts", default=False),
    timestamp("run_at"),
    uuid("claim", nullable=True),
    timestamp("claim_until", nullable=True),
    timestamp("cancel_requested_at", nullable=True),
    text("error", nullable=True),
    text("trace", nullable=True),
    timestamp("created_at", default_now=True),
    timestamp("finished_at", nullable=True),
    sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"),
    sa.CheckConstraint(
        "(finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled'))", name="finished"
    ),
    sa.CheckConstraint("(state = 'running') = (claim IS NOT NULL)", name="claim"),
    sa.CheckConstraint("(claim IS NULL) = (claim_until IS NULL)", name="claim_until"),
    sa.Index("jobs_unfinished_key", "kind", "dedupe_key", unique=True, postgresql_where=_UNFINISHED),
    sa.Index("jobs_due_idx", "run_at", postgresql_where=_UNFINISHED),
    sa.Index("jobs_user_id_idx", "user_id", "created_at"),
    sa.Index("jobs_finished_at_idx", "finished_at", postgresql_where=_FINISHED),
)

heartbeats = sa.Table(
    "heartbeats",
    _common,
    text("process", primary_key=True),
    timestamp("at"),
    sa.Column("lag", sa.BigInteger),
    timestamp("kafka_seen_at", nullable=True),
)

revoked_sids = sa.Table(
    "revoked_sids",
    _common,
    uuid("session_id", primary_key=True),
    timestamp("revoked_at"),
    timestamp("expires_at"),
    sa.Index("revoked_sids_revoked_at_idx", "revoked_at"),
    sa.Index("revoked_sids_expires_at_idx", "expires_at"),
)

audit_log = sa.Table(
    "audit_log",
    _common,
    uuid("id", primary_key=True),
    timestamp("at", default_now=True),
    text("actor"),
    text("action"),
    uuid("user_id", nullable=True),
    _jsonb("data", default="{}"),
    sa.Index("audit_log_user_id_idx", "user_id", "id"),
    postgresql_partition_by="range (id)",
)

erased_users = sa.Table(
    "erased_users",
    _common,
    uuid("user_id", primary_key=True),
    timestamp("erased_at", default_now=True),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    _common,
    uuid("user_id", primary_key=True),
    text("key", primary_key=True),
    sa.Column("request_hash", BYTEA, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    _jsonb("headers"),
    sa.Column("body", BYTEA),
    timestamp("created_at", default_now=True),
    sa.CheckConstraint("char_length(key) between 1 and 255", name="key"),
    sa.CheckConstraint("octet_length(body) <= 65536", name="body"),
    sa.Index("idempotency_keys_created_at_idx", "created_at"),
)
