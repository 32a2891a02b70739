"""profile's api in the test's own process, over this worker's database and without a server."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from common.clock import utc_now
from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.http.principals import Principal
from common.http.tokens import ServiceTokens
from common.ids import new_id
from common.known_versions import KnownVersions
from common.postgres.engine import Database
from common.settings import HttpSettings
from profile_service.app import API
from profile_service.usecases.create_profile import create_profile
from tests.support.caches import RedisClients
from tests.support.kept_apps import kept_app, kept_internal_app
from tests.support.little_app import Known
from tests.support.tokens import ISSUER, KEY, NOW, Keys, claims, token

BASE = "http://profile.test/api/v1/profile"


class _KnownWithRoles(Known):
    """Takes `<id>` for that user, and `<id>:staff` for one with a role."""

    async def principal(self, token: str) -> Principal:
        user, *roles = token.split(":")
        return replace(await super().principal(user), roles=frozenset(roles))


@dataclass(frozen=True)
class ProfileApp:
    app: FastAPI
    internal: FastAPI
    worker: Database

    def client(self, user: UUID, *roles: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url=BASE,
            headers={"Authorization": f"Bearer {':'.join((str(user), *roles))}"},
        )

    def service(self, scope: str) -> httpx.AsyncClient:
        """Another service of ours, at the internal port."""
        said = claims(aud="profile", sub="chat", client_id="chat", scope=scope, sid=None)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.internal, raise_app_exceptions=False),
            base_url="http://profile.test/internal/v1",
            headers={"Authorization": f"Bearer {token(said)}"},
        )

    async def hear(self, event: Event[UserRegistered]) -> None:
        """As profile's worker does: in a transaction of the user whom the event is about."""
        assert event.user_id is not None
        async with self.worker.transaction(as_user=event.user_id) as tx:
            await create_profile(tx, event.data, now=utc_now(), new_id=new_id)


@asynccontextmanager
async def profile_app_with(databases: Any, redis: Redis, **patience: float) -> AsyncGenerator[ProfileApp]:
    """A process of its own, as far as what it remembers goes."""
    # of the api and of the worker
    known, of_worker = (KnownVersions(redis, prefix="profile:", **patience) for _ in range(2))
    kept = kept_app(API, SimpleNamespace(http=HttpSettings(port=1)))
    with kept as app, kept_internal_app(API) as internal:
        app.state.known_versions = known
        app.state.database = databases("profile", "api", constraints=API.constraints, on_change=known.forget)
        app.state.clock = utc_now
        app.state.access_tokens = _KnownWithRoles()
        app.state.trusted_proxies = ()
        internal.state.database = app.state.database
        internal.state.clock = utc_now
        internal.state.trusted_proxies = ()
        internal.state.service_tokens = ServiceTokens(
            issuer=ISSUER, service="profile", keys=Keys(KEY), clock=lambda: NOW
        )
        worker = databases("profile", "worker", constraints=API.constraints, on_change=of_worker.forget)
        yield ProfileApp(app, internal, worker)
    await known.close()
    await of_worker.close()


@pytest.fixture
async def profile_app(
    databases: Any, superuser: Any, redis_clients: RedisClients
) -> AsyncIterator[ProfileApp]:
    # a busy machine takes longer to hear what Redis said
    patience = {"patience_seconds": 10.0, "forgetting_seconds": 10.0}
    async with profile_app_with(databases, redis_clients("profile"), **patience) as app:
        yield app
