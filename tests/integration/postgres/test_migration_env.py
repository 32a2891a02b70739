import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from common.postgres import migrations
from common.postgres.migrations import MigrationRefusedError
from common.postgres.url import libpq_url
from tests.support.repository import ROOT

AUTH = ROOT / "services" / "auth" / "migrations"


@pytest.fixture
def connections(superuser, installation):
    """Of auth's owner, with no other setting than a test gives."""
    url = libpq_url(installation.stack.postgres_url("auth_owner", installation.worker))
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        yield connection


class TestEnv:
    def test_refuses_to_run_when_the_owner_would_see_nothing(self, connections):
        config = migrations._config(AUTH)
        config.attributes["connection"] = connections

        with pytest.raises(MigrationRefusedError, match=r"app\.owner_may is not set"):
            command.upgrade(config, "head")

    def test_runs_when_the_setting_is_there(self, connections):
        connections.execute(sa.text("SET app.owner_may = 'yes'"))
        connections.commit()
        config = migrations._config(AUTH)
        config.attributes["connection"] = connections

        command.upgrade(config, "head")

    def test_refuses_a_pooler(self, installation, monkeypatch, capsys):
        environment = installation.stack.process_environment("auth", "migrate", installation.worker)
        for name, value in (environment | {"DATABASE_POOLER": "transaction"}).items():
            monkeypatch.setenv(name, value)

        from auth_service import migrate
        from auth_service.storage.tables import SCHEMA

        with pytest.raises(SystemExit) as ended:
            migrations.main(SCHEMA, migrate.__file__, ["--plan"])

        assert ended.value.code == 1
        assert "DATABASE_POOLER must be none" in capsys.readouterr().err

    def test_finds_out_that_there_is_a_pooler(self, installation, superuser, monkeypatch, capsys):
        environment = installation.stack.process_environment("auth", "migrate", installation.worker)
        through = installation.database_settings("auth", "api").url.get_secret_value()
        for name, value in (environment | {"DATABASE_POOLER": "auto", "DATABASE_URL": through}).items():
            monkeypatch.setenv(name, value)

        from auth_service import migrate
        from auth_service.storage.tables import SCHEMA

        with pytest.raises(SystemExit) as ended:
            migrations.main(SCHEMA, migrate.__file__, ["--plan"])

        assert ended.value.code == 1
        assert "leads through a pooler: name PostgreSQL itself" in capsys.readouterr().err

    def test_refuses_a_folder_without_migrations(self, tmp_path):
        with pytest.raises(MigrationRefusedError, match="--migrations"):
            migrations._config(tmp_path)
