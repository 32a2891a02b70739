"""The api of any service but auth in the test's own process, over this worker's database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
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
from common.http.limited import limits_of
from common.http.shared_limits import RateLimits, monotonic_us
from common.known_versions import KnownVersions
from common.postgres.engine import Database
from common.settings import ApiSettings
from common.settings_errors import load
from profile_service.settings import ProfileApiSettings
from tests.support.installation import Installation
from tests.support.kept_apps import kept_app
from tests.support.repository import SERVICE_PACKAGES
from tests.support.tokens import KEY, Keys, claims, token

UNLIMITED = "1000000/1"
SETTINGS: dict[str, type[ApiSettings]] = {"profile": ProfileApiSettings}


def api_of(service: str) -> Api[Any]:
    return import_module(f"{SERVICE_PACKAGES[service].name}.app").API


@asynccontextmanager
async def service_app(
    service: str, installation: Installation, database: Database, redis: Any
) -> AsyncGenerator[FastAPI]:
    """Limits of rate are out of the way; tokens are those of `token_for`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in installation.environment(service, "api").items():
            patch.setenv(name, value)
        settings = load(SETTINGS.get(service, ApiSettings))
    api = api_of(service)
    with kept_app(api, settings) as app:
        async with _served(api, app, settings, database, redis):
            yield app


@asynccontextmanager
async def _served(
    api: Api[Any], app: FastAPI, settings: ApiSettings, database: Database, redis: Any
) -> AsyncGenerator[None]:
    limits = RateLimits(
        redis,
        prefix=settings.redis.prefix,
        moved=dict.fromkeys(limits_of(app), UNLIMITED),
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
