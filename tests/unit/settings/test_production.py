import pytest
from pydantic import BaseModel, SecretStr

from common.settings import MigrationSettings
from common.settings_errors import load

URL = "postgresql://auth_owner:{}@db/quartet?sslmode=require"


class OtherSettings(BaseModel):
    several: tuple[SecretStr, ...] = ()
    by_name: dict[str, SecretStr] = {}


class WithSecrets(MigrationSettings):
    other: OtherSettings = OtherSettings()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("DATABASE_URL", URL.format("nobody-knows-it"))
    return monkeypatch


class TestProduction:
    def test_takes_secrets_of_its_own(self, environment):
        environment.setenv("OTHER_SEVERAL", '["nobody-knows-it"]')

        assert load(WithSecrets)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DATABASE_URL", URL.format("dev-local")),
            ("DATABASE_URL", "postgresql://auth_owner@db/quartet?password=postgres"),
            ("OTHER_SEVERAL", '["nobody-knows-it", "dev-local"]'),
            ("OTHER_BY_NAME", '{"new": "nobody-knows-it", "old": "changeme"}'),
        ],
    )
    def test_refuses_secrets_for_development(self, environment, capsys, name, value):
        environment.setenv(name, value)

        with pytest.raises(SystemExit):
            load(WithSecrets)

        said = capsys.readouterr().err
        assert said == f"settings: {name} holds a secret for development: set one of your own in production\n"
