"""Who was erased, how far each service is with it, and where a last mail goes to."""

from alembic import op

from common.postgres.versions import common_tables_v4, drop_common_tables_v4

revision = "auth_0005"
down_revision = "auth_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(common_tables_v4())
    op.execute("""
        create table erasures (
            user_id uuid not null,
            version integer not null,
            asked_at timestamptz not null,
            told_at timestamptz not null,
            confirmed jsonb not null default '{}',
            closed_at timestamptz,
            constraint erasures_pkey primary key (user_id)
        );
        create index erasures_closed_at_idx on erasures (closed_at);
        create table farewells (
            user_id uuid not null,
            email text not null,
            language text not null,
            asked_at timestamptz not null,
            constraint farewells_pkey primary key (user_id)
        );
        create index farewells_asked_at_idx on farewells (asked_at);
    """)


def downgrade() -> None:
    op.execute("drop table farewells, erasures;")
    op.execute(drop_common_tables_v4())
