"""A migration of ours, run as every other is, sees the rows that it validates."""

import shutil

import pytest
import sqlalchemy as sa

from auth_service.storage.tables import HEAD
from tests.support.databases import migrate
from tests.support.repository import ROOT

_REVISION = f'''"""Every planted row belongs to somebody."""

from alembic import op

revision = "auth_9999"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table planted add constraint planted_fkey"
               " foreign key (user_id) references users (id) not valid")
    op.execute("alter table planted validate constraint planted_fkey")


def downgrade() -> None:
    op.execute("alter table planted drop constraint planted_fkey")
'''

_PLANT = """
create table auth.planted (user_id uuid not null);
insert into auth.planted values (gen_random_uuid());
alter table auth.planted owner to auth_owner;
alter table auth.planted enable row level security;
alter table auth.planted force row level security;
create policy owner on auth.planted to auth_owner using (current_setting('app.owner_may', true) = 'yes');
"""


@pytest.fixture
def migrations(tmp_path):
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "services" / "auth" / "migrations", folder)
    (folder / "versions" / "2099-01-01-0900_validate.py").write_text(_REVISION)
    return folder


class TestValidateConstraint:
    @pytest.fixture
    async def validate(self, installation, bare, migrations):
        database = await bare.fetchval("select current_database()")
        migrate(installation, "auth", database)
        await bare.execute(_PLANT)
        return lambda: migrate(installation, "auth", database, "--migrations", str(migrations))

    async def test_finds_a_planted_orphan_and_leaves_the_schema_as_it_was(self, bare, validate):
        with pytest.raises(sa.exc.IntegrityError, match="planted_fkey"):
            validate()

        assert await bare.fetchval("select version_num from auth.alembic_version") == HEAD

    async def test_passes_when_every_row_belongs_to_somebody(self, bare, validate):
        await bare.execute("delete from auth.planted")

        assert "auth_9999" in validate()
