from pathlib import Path

import pytest

from tests.support.authority import Authority

GOOD = {
    "ENVIRONMENT": "test",
    "DATABASE_URL": "postgresql://auth_api:hunter2@db/quartet",
    "REDIS_URL": "rediss://auth:hunter2@cache:6379/0",
    "REDIS_PREFIX": "auth:",
    "HTTP_PORT": "8000",
    "INTERNAL_PORT": "8001",
    "PROBE_PORT": "8002",
    "TOKEN_ISSUER": "https://quartet.example",
    "TOKEN_JWKS_URL": "https://auth:8001/.well-known/jwks.json",
    "KAFKA_BOOTSTRAP": "one:9092,two:9092",
    "LEGACY_SECRET": "hunter2-hunter2-hunter2-hunter2-hunter2",
    "LEGACY_SUNSET": "2999-01-01T00:00:00Z",
}


@pytest.fixture
def whole_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """What an api and a worker need, with `hunter2` for every secret."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("auth")
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    for group in ("INTERNAL", "KAFKA"):
        for name, file in {"CA": authority.ca_file, "CERTIFICATE": certificate, "KEY": key}.items():
            monkeypatch.setenv(f"{group}_{name}_FILE", str(file))
    return monkeypatch
