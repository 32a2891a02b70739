"""profile's api in the test's own process, over this worker's database and without a server."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from common.clock import utc_now
from common.composition.api import public_app
from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.health.checks import Checks
from common.health.routes import HealthView
from common.ids import new_id
from common.postgres.engine import Database
from common.settings import HttpSettings
from profile_service.app import API
from profile_service.usecases.create_profile import create_profile
from tests.support.little_app import Known

BASE = "http://profile.test/api/v1/profile"


@dataclass(frozen=True)
class ProfileApp:
    app: FastAPI
    worker: Database

    def client(self, user: UUID) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url=BASE,
            headers={"Authorization": f"Bearer {user}"},
        )

    async def hear(self, event: Event[UserRegistered]) -> None:
        """As profile's worker does: in a transaction of the user whom the event is about."""
        assert event.user_id is not None
        async with self.worker.transaction(as_user=event.user_id) as tx:
            await create_profile(tx, event.data, now=utc_now(), new_id=new_id)


@pytest.fixture
async def profile_app(databases: Any, superuser: Any) -> ProfileApp:
    health = HealthView(service="profile", version="0", ready=Checks(()))
    app = public_app(API, SimpleNamespace(http=HttpSettings(port=1)), health)  # type: ignore[arg-type]  # all of it that is asked for
    app.state.database = databases("profile", "api", constraints=API.constraints)
    app.state.clock = utc_now
    app.state.access_tokens = Known()
    app.state.trusted_proxies = ()
    return ProfileApp(app, databases("profile", "worker", constraints=API.constraints))
