"""The api of any service but auth in the test's own process, over this worker's database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from common.clock import utc_now
from common.composition.api import Api, access_tokens
from common.health.checks import Checks
from common.http.cursors import Cursors
from common.http.shared_limits import RateLimits, monotonic_us
from common.known_versions import KnownVersions
from common.postgres.engine import Database
from common.settings import ApiSettings
from common.settings_errors import load
from profile_service.settings import ProfileApiSettings
from tests.support.installation import Installation, load_stack
from tests.support.kept_apps import kept_app, unlimited
from tests.support.repository import SERVICE_PACKAGES
from tests.support.tokens import KEY, Keys, claims, token

SETTINGS: dict[str, type[ApiSettings]] = {"profile": ProfileApiSettings}


def api_of(service: str) -> Api[Any]:
    return import_module(f"{SERVICE_PACKAGES[service].name}.app").API


@asynccontextmanager
async def service_app(
    service: str, installation: Installation, database: Database, redis: Any
) -> AsyncGenerator[FastAPI]:
    """Limits of rate are out of the way; tokens are those of `token_for`."""
    api, settings = api_of(service), _settings(service, installation.worker)
    with kept_app(api, settings) as app:
        async with _served(api, app, settings, database, redis):
            yield app


@cache
def _settings(service: str, worker: str) -> ApiSettings:
    """Read once: reading them takes longer than most tests do."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in Installation(load_stack(), worker).environment(service, "api").items():
            patch.setenv(name, value)
        return load(SETTINGS.get(service, ApiSettings))


@asynccontextmanager
async def _served(
    api: Api[Any], app: FastAPI, settings: ApiSettings, database: Database, redis: Any
) -> AsyncGenerator[None]:
    limits = RateLimits(
        redis,
        prefix=settings.redis.prefix,
        moved=unlimited(app),
        now_us=monotonic_us,
    )
    app.state.database = database
    app.state.clock = utc_now
    app.state.rate_limits = limits
    app.state.known_versions = known = KnownVersions(redis, prefix=settings.redis.prefix)
    app.state.trusted_proxies = ()
    app.state.cursors = Cursors.from_settings((), spare=bytes(32))
    app.state.access_tokens = access_tokens(api, settings, database, keys=Keys(KEY), revoked=set())
    app.state.issuer = settings.token.issuer
    used = (
        nullcontext() if api.resources is None else api.resources(SimpleNamespace(ready=Checks(())), settings)
    )
    try:
        async with used as app.state.resources:
            yield
    finally:
        await known.close()
        await limits.close()


def token_for(app: FastAPI, user_id: UUID, scope: str) -> str:
    now = utc_now()
    return token(
        claims(
            iss=app.state.issuer,
            sub=str(user_id),
            scope=scope,
            iat=int(now.timestamp()),
            exp=int((now + timedelta(minutes=10)).timestamp()),
        )
    )
