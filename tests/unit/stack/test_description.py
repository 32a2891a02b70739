import json
import os
from pathlib import Path

import pytest

from auth_service.settings import AuthApiSettings, AuthWorkerSettings
from common.contracts.topics import SERVICES
from common.settings import ApiSettings, MigrationSettings, WorkerSettings
from quartet_cli.stack import Stack
from quartet_cli.stack.description import port_layout
from quartet_cli.stack.errors import StackError
from quartet_cli.stack.table import ENTRIES


@pytest.fixture
def environment(monkeypatch):
    """Makes the process's environment exactly what it is given."""

    def become(variables: dict[str, str]) -> None:
        for name in os.environ:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return become


class TestStack:
    def test_is_the_same_after_saving_and_loading(self, stack: Stack, tmp_path: Path):
        path = tmp_path / "stack.json"

        stack.save(path)

        assert Stack.load(path) == stack
        assert path.stat().st_mode & 0o777 == 0o600

    def test_that_is_not_there_is_told_with_what_to_do(self, tmp_path: Path):
        with pytest.raises(StackError, match=r"no stack at .*/quartet up, or unset QUARTET_STACK"):
            Stack.load(tmp_path / "stack.json")

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
    def test_that_cannot_be_read_is_told_by_its_path(self, tmp_path: Path, content: str):
        path = tmp_path / "stack.json"
        path.write_text(content)

        with pytest.raises(StackError, match=r"stack\.json does not describe a stack"):
            Stack.load(path)

    def test_gives_no_port_twice(self):
        ports = port_layout(20_000)

        assert len(set(ports.values())) == len(ports)
        assert max(ports.values()) < 20_100

    def test_knows_the_services_of_the_contracts(self):
        assert tuple(entry.name for entry in ENTRIES) == SERVICES

    def test_never_shows_a_password_in_its_text(self, stack: Stack):
        assert not any(secret in repr(stack) for secret in stack.passwords.values())


class TestProcessEnvironment:
    @pytest.mark.parametrize("service", SERVICES)
    def test_is_all_that_an_api_needs(self, stack: Stack, environment, service):
        environment(stack.process_environment(service, "api"))

        settings = ApiSettings()

        assert settings.database.pool_size == 6
        assert f"/{service}_api?" in settings.database.url.get_secret_value()
        assert settings.database.probe_url
        assert f"/{service}_probe?" in settings.database.probe_url.get_secret_value()
        assert settings.http.port == stack.ports[f"{service}-api"]

    @pytest.mark.parametrize("service", SERVICES)
    def test_is_all_that_a_worker_needs(self, stack: Stack, environment, service):
        environment(stack.process_environment(service, "worker"))

        settings = WorkerSettings()

        assert settings.database.pool_size == 10
        assert settings.kafka.certificate_file == stack.certificates / f"{service}.crt"
        assert settings.redis.prefix == f"{service}:"

    def test_of_a_migration_is_the_owner_past_the_pooler_and_nothing_else(self, stack: Stack, environment):
        environment(stack.process_environment("chat", "migrate"))

        settings = MigrationSettings()
        url = settings.database.url.get_secret_value()

        assert url.startswith("postgresql://chat_owner:")
        assert f":{stack.ports['postgres']}/quartet?" in url
        assert settings.database.pooler == "none"

    def test_gives_auth_alone_the_key_that_seals_fields(self, stack: Stack, environment):
        environment(stack.process_environment("auth", "api"))

        assert AuthApiSettings().keys.cipher("test").active == "local-1"
        assert not any(name.startswith("KEYS_") for name in stack.process_environment("chat", "api"))

    def test_of_auths_worker_has_the_key_too(self, stack: Stack, environment):
        environment(stack.process_environment("auth", "worker"))

        assert AuthWorkerSettings().keys.cipher("test").active == "local-1"

    def test_of_a_test_worker_touches_only_what_is_set_apart_for_it(self, test_stack: Stack):
        environment = test_stack.process_environment("auth", "worker", "gw3")

        assert "/gw3_auth_worker?" in environment["DATABASE_URL"]
        assert "/gw3_auth_probe?" in environment["DATABASE_PROBE_URL"]
        assert environment["REDIS_URL"].endswith("/4")
        assert environment["REDIS_PREFIX"] == "auth:gw3:"
        assert environment["KAFKA_INSTALLATION"] == "gw3-"

    def test_carries_no_password_of_another_service(self, stack: Stack):
        text = json.dumps(stack.process_environment("profile", "worker"))

        foreign = [
            secret
            for name, secret in stack.passwords.items()
            if name not in {"profile_worker", "redis_profile"}
        ]
        assert not any(secret in text for secret in foreign)
