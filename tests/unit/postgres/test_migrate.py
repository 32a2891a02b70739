import pytest

from auth_service import migrate
from auth_service.storage.tables import SCHEMA
from common.postgres.migrations import main


@pytest.fixture
def refusal(capsys):
    """How the command ends, and what it tells."""

    def run() -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(SCHEMA, migrate.__file__, [])
        return ended.value.code, capsys.readouterr().err

    return run


class TestMigrate:
    def test_names_the_variables_that_are_not_set(self, refusal, monkeypatch):
        for name in ("ENVIRONMENT", "DATABASE_URL"):
            monkeypatch.delenv(name, raising=False)

        code, told = refusal()

        assert code == 2
        assert "settings: ENVIRONMENT is not set" in told
        assert "settings: DATABASE_URL is not set" in told

    def test_tells_a_database_that_is_away_in_one_line_without_the_password(self, refusal, monkeypatch):
        monkeypatch.setenv("ENVIRONMENT", "test")
        monkeypatch.setenv("DATABASE_URL", "postgresql://auth_owner:a-password@127.0.0.1:1/quartet")

        code, told = refusal()

        assert code == 1
        assert told.startswith("auth: cannot connect with DATABASE_URL: ")
        assert told.count("\n") == 1
        assert "a-password" not in told
