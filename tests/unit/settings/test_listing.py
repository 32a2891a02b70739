from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from common.settings import MigrationSettings
from common.settings_listing import listing, settings_of
from tests.support.authority import Authority


class Secrets(BaseModel):
    by_name: dict[str, SecretStr] = {"2026": SecretStr("hunter2")}
    several: tuple[SecretStr, ...] = (SecretStr("hunter2"),)
    token: SecretStr = SecretStr("hunter2")
    place: str = "https://u:hunter2@traces/v1"


class WithSecrets(MigrationSettings):
    secrets: Secrets = Secrets()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("ENVIRONMENT", "test")
    monkeypatch.setenv("DATABASE_URL", "postgresql://auth_owner:hunter2@db/quartet?sslmode=require")
    return monkeypatch


class TestListing:
    def test_has_a_line_for_each_variable(self, environment):
        environment.setenv("DATABASE_POOL_SIZE", "3")

        lines = list(listing(WithSecrets(), service="auth"))

        assert lines[0] == "ENVIRONMENT=test"
        assert "DATABASE_POOL_SIZE=3" in lines
        assert "DATABASE_POOL_WAIT_SECONDS=2.0  # default" in lines
        assert "# DATABASE_PROBE_URL is not set" in lines

    def test_shows_no_secret_of_any_shape(self, environment):
        written = "\n".join(listing(WithSecrets(), service="auth"))

        assert "hunter2" not in written
        assert "DATABASE_URL=postgresql://auth_owner:***@db/quartet?sslmode=require" in written
        assert 'SECRETS_BY_NAME={"2026": "***"}' in written
        assert 'SECRETS_SEVERAL=["***"]' in written
        assert "SECRETS_TOKEN=***" in written
        assert "SECRETS_PLACE=https://u:***@traces/v1" in written

    def test_names_what_is_set_and_read_by_nothing(self, environment):
        environment.setenv("DATABASE_POOLSIZE", "hunter2")

        assert list(listing(MigrationSettings(), service="auth"))[-1] == (
            "# DATABASE_POOLSIZE is set and read by nothing"
        )

    def test_says_which_files_of_tls_were_found(self, environment, tmp_path: Path):
        ca_file = Authority(tmp_path).ca_file
        environment.setenv("AUTH_PGSSLROOTCERT", str(ca_file))

        assert f"# DATABASE_URL: sslmode require, sslrootcert {ca_file}" in list(
            listing(MigrationSettings(), service="auth")
        )


class TestArgument:
    def test_prints_and_ends(self, environment, capsys):
        with pytest.raises(SystemExit) as ended:
            settings_of(MigrationSettings, service="auth", program="x", arguments=["--print-config"])

        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith("ENVIRONMENT=test\n")

    def test_that_is_missing_starts_the_process(self, environment, capsys):
        assert settings_of(MigrationSettings, service="auth", program="x", arguments=[])
        assert capsys.readouterr().out == ""

    def test_that_nobody_knows_is_refused(self, environment, capsys):
        with pytest.raises(SystemExit, match="2"):
            settings_of(MigrationSettings, service="auth", program="auth_service.app", arguments=["--pool=3"])

        assert "python -m auth_service.app" in capsys.readouterr().err
