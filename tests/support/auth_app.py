"""auth's api in the test's own process, over this worker's database and without a server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from auth_service.api.resources import Resources
from auth_service.app import API
from auth_service.domain.key_rotation import Rotation
from auth_service.settings import AuthApiSettings
from auth_service.usecases.rotate_signing_keys import rotate_signing_keys
from common.clock import utc_now
from common.composition.api import access_tokens
from common.health.checks import Checks
from common.http.shared_limits import RateLimits, monotonic_us
from common.ids import new_id
from common.postgres.context import Context
from common.postgres.engine import Database
from common.revocation import RevokedSids
from common.settings_errors import load
from tests.support.installation import Installation, load_stack
from tests.support.kept_apps import kept_app, unlimited

BASE = "http://auth.test/api/v1/auth"
CHEAPEST = {"HASHING_MEMORY_KIB": "7168", "HASHING_PASSES": "1"}
"""What the settings let pass: most tests are not about hashes, and make hundreds."""


@dataclass(frozen=True)
class AuthApp:
    app: FastAPI
    resources: Resources
    settings: AuthApiSettings
    database: Database
    revoked: RevokedSids

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)

    async def log_in(self, email: str, password: str, **more: Any) -> dict[str, Any]:
        """The tokens, of whoever may log in."""
        async with self.client() as client:
            answer = await client.post("/login", json={"email": email, "password": password, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def auth_app(
    installation: Installation, databases: Any, superuser: Any, redis_clients: Any
) -> AsyncIterator[AuthApp]:
    """With a signing key; limits of rate are out of the way unless a test sets one."""
    settings = _settings(installation.worker)
    worker = databases("auth", "worker")
    cipher = settings.keys.cipher(settings.environment)
    async with worker.transaction(as_user=Context.SYSTEM) as tx:
        await rotate_signing_keys(tx, cipher, Rotation(), now=utc_now(), new_id=new_id)
    await superuser.execute("delete from auth.audit_log")
    async with serving(settings, databases("auth", "api"), redis_clients("auth")) as served:
        yield served


@cache
def _settings(worker: str) -> AuthApiSettings:
    """Read once: reading them takes longer than most tests do."""
    environment = Installation(load_stack(), worker).environment("auth", "api") | CHEAPEST
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load(AuthApiSettings)


@asynccontextmanager
async def serving(settings: AuthApiSettings, database: Database, redis: Any) -> AsyncGenerator[AuthApp]:
    with kept_app(API, settings) as app:
        async with _served(app, settings, database, redis) as served:
            yield served


@asynccontextmanager
async def _served(
    app: FastAPI, settings: AuthApiSettings, database: Database, redis: Any
) -> AsyncGenerator[AuthApp]:
    revoked = RevokedSids(database, poll_seconds=0.05)
    limits = RateLimits(redis, prefix=settings.redis.prefix, moved=unlimited(app), now_us=monotonic_us)
    stop = asyncio.Event()
    assert API.resources is not None
    async with API.resources(SimpleNamespace(database=database, ready=Checks(())), settings) as resources:  # type: ignore[arg-type]  # all of it that is asked for
        app.state.database = database
        app.state.clock = utc_now
        app.state.rate_limits = limits
        app.state.trusted_proxies = settings.http.trusted_proxies
        app.state.resources = resources
        app.state.access_tokens = access_tokens(
            API, settings, database, keys=resources.signing_keys, revoked=revoked
        )
        reading = asyncio.create_task(revoked.run(stop))
        try:
            yield AuthApp(app, resources, settings, database, revoked)
        finally:
            stop.set()
            await reading
            await limits.close()
