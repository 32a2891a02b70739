from pathlib import Path

import pytest

from common.crypto import KeysSettings
from common.settings import ApiSettings
from common.settings_errors import EXIT_CODE, load


class WithKeys(ApiSettings):
    keys: KeysSettings


GOOD_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("ca", "certificate", "key"):
        (tmp_path / name).write_text("x")
        monkeypatch.setenv(f"INTERNAL_{name.upper()}_FILE", str(tmp_path / name))
    for name, value in {
        "ENVIRONMENT": "production",
        "DATABASE_URL": "postgresql://auth_api:hunter2-hunter2@db/quartet",
        "REDIS_URL": "rediss://auth:hunter3-hunter3@cache",
        "REDIS_PREFIX": "auth:",
        "HTTP_PORT": "8000",
        "HTTP_CURSOR_KEYS": f'["{GOOD_KEY}"]',
        "INTERNAL_PORT": "8001",
        "PROBE_PORT": "8002",
        "TOKEN_ISSUER": "https://quartet.example",
        "TOKEN_JWKS_URL": "https://auth:8001/.well-known/jwks.json",
        "KEYS_ENCRYPTION": f'{{"2026": "{GOOD_KEY}"}}',
        "KEYS_ACTIVE": "2026",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


class Told:
    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured

    def about(self, *names: str) -> list[str]:
        """The lines, once the process has ended as it should and they name what they should."""
        with pytest.raises(SystemExit) as ended:
            load(WithKeys)
        assert ended.value.code == EXIT_CODE
        written = self._captured.readouterr().err
        assert "Traceback" not in written
        assert "hunter" not in written
        lines = written.splitlines()
        assert [line.split()[1] for line in lines] == list(names)
        return lines


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(capsys)


class TestSettings:
    def test_that_fit_are_loaded(self, environment: pytest.MonkeyPatch):
        assert load(WithKeys).http.port == 8000

    def test_that_are_missing_are_named(self, environment: pytest.MonkeyPatch, told: Told):
        environment.delenv("HTTP_PORT")
        environment.delenv("KEYS_ACTIVE")

        told.about("HTTP_PORT", "KEYS_ACTIVE")

    def test_that_sign_cursors_are_asked_for_in_production(self, environment: pytest.MonkeyPatch, told: Told):
        """Without any, each replica would refuse the cursors of the others."""
        environment.delenv("HTTP_CURSOR_KEYS")

        told.about("HTTP_CURSOR_KEYS")

    @pytest.mark.parametrize("key", ["hunter", "aHVudGVy", GOOD_KEY + "AAAA"])
    def test_that_sign_cursors_have_32_bytes(self, environment: pytest.MonkeyPatch, told: Told, key: str):
        environment.setenv("HTTP_CURSOR_KEYS", f'["{key}"]')

        told.about("HTTP_CURSOR_KEYS")

    def test_that_are_origins_are_not_shown(self, environment: pytest.MonkeyPatch, told: Told):
        environment.setenv("HTTP_CORS_ORIGINS", '["https://app.example", "hunter2"]')

        assert "at place 2" in told.about("HTTP_CORS_ORIGINS")[0]

    def test_of_a_whole_group_are_named_one_by_one(self, environment: pytest.MonkeyPatch, told: Told):
        for name in ("PORT", "CA_FILE", "CERTIFICATE_FILE", "KEY_FILE"):
            environment.delenv(f"INTERNAL_{name}")

        told.about("INTERNAL_PORT", "INTERNAL_CA_FILE", "INTERNAL_CERTIFICATE_FILE", "INTERNAL_KEY_FILE")

    def test_of_the_wrong_kind_are_named(self, environment: pytest.MonkeyPatch, told: Told):
        environment.setenv("HTTP_PORT", "eighty")
        environment.setenv("ENVIRONMENT", "staging")

        told.about("ENVIRONMENT", "HTTP_PORT")

    @pytest.mark.parametrize("name", ["HTTP_CORS_ORIGINS", "KEYS_ENCRYPTION"])
    def test_that_should_be_json_are_named(self, environment: pytest.MonkeyPatch, told: Told, name: str):
        environment.setenv(name, "hunter2")

        assert "JSON" in told.about(name)[0]

    def test_that_contradict_each_other_are_named(self, environment: pytest.MonkeyPatch, told: Told):
        environment.setenv("DRAIN_DELAY_SECONDS", "30")

        told.about("DRAIN_DELAY_SECONDS")

    def test_that_name_no_file_say_which(self, environment: pytest.MonkeyPatch, told: Told):
        environment.setenv("INTERNAL_CA_FILE", "/nowhere/ca.crt")

        assert "/nowhere/ca.crt" in told.about("INTERNAL_CA_FILE")[0]

    @pytest.mark.parametrize(
        "secret",
        [
            "hunter2",
            "-----BEGIN PRIVATE KEY-----\n" + "hunter2/" * 200,
            "hunter2" * 200,
            '{"2026": "hunter2"}',
        ],
        ids=["password", "key", "long", "json"],
    )
    @pytest.mark.parametrize("name", ["INTERNAL_KEY_FILE", "INTERNAL_CA_FILE"])
    def test_that_hold_a_secret_in_place_of_its_file_do_not_show_it(
        self, environment: pytest.MonkeyPatch, told: Told, name: str, secret: str
    ):
        environment.setenv(name, secret)

        assert "what is not shown" in told.about(name)[0]


class TestProduction:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DATABASE_URL", "postgresql://auth_api:postgres@db/quartet"),
            ("DATABASE_URL", "postgresql://auth_api:dev-hunter@db/quartet"),
            ("DATABASE_URL", "postgresql://auth_api:@db/quartet"),
            ("REDIS_URL", "rediss://auth:Secret@cache"),
            ("KEYS_ENCRYPTION", f'{{"2026": "{GOOD_KEY}", "dev": "{GOOD_KEY}"}}'),
            ("KEYS_ENCRYPTION", '{"2026": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}'),
            ("KEYS_ENCRYPTION", '{"2026": "hunter"}'),
        ],
    )
    def test_refuses_secrets_for_development(
        self, environment: pytest.MonkeyPatch, told: Told, name: str, value: str
    ):
        environment.setenv(name, value)

        told.about(name)

    def test_takes_a_login_by_certificate(self, environment: pytest.MonkeyPatch):
        environment.setenv("DATABASE_URL", "postgresql://auth_api@db/quartet")

        assert load(WithKeys)

    def test_alone_is_so_strict(self, environment: pytest.MonkeyPatch):
        environment.setenv("ENVIRONMENT", "development")
        environment.setenv("DATABASE_URL", "postgresql://auth_api:postgres@db/quartet")

        assert load(WithKeys)
