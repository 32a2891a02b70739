"""profile's api and worker on the test stack, with keys and users of the bench's own."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI

from bench._core import Spending, servers_of
from bench._servers import servers, superuser
from common.http.tls import internal_server_tls
from common.ids import new_id
from common.settings import InternalSettings
from tests.support.installation import Installation
from tests.support.listening import served
from tests.support.processes import started
from tests.support.tokens import ISSUER, KEY, claims, token

PROFILE = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "display_name": "Ada Lovelace",
    "bio": "I like engines.",
    "date_of_birth": "1985-12-10",
    "phone_number": "+442079460018",
    "website": "https://example.org/ada",
    "address": {
        "line1": "12 St James's Square",
        "city": "London",
        "postal_code": "SW1Y 4JH",
        "country": "GB",
    },
}


@dataclass(frozen=True)
class ProfileApi:
    installation: Installation
    root: asyncpg.Connection
    me: str
    probe: httpx.AsyncClient
    spending: Spending

    async def new_user(self) -> tuple[UUID, str]:
        """Id and token of somebody with a profile."""
        now, user_id = datetime.now(UTC), new_id()
        begins, ends = int(now.timestamp()), int((now + timedelta(hours=1)).timestamp())
        presented = token(claims(sub=str(user_id), sid=str(new_id()), scope="profile", iat=begins, exp=ends))
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            made = await client.patch(self.me, json=PROFILE, headers={"Authorization": f"Bearer {presented}"})
        made.raise_for_status()
        return user_id, presented


@asynccontextmanager
async def profile_api() -> AsyncGenerator[ProfileApi]:
    """Whoever ends the bench ends it, too."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with servers() as (installation, _), superuser(installation) as root, AsyncExitStack() as running:
        auth = await running.enter_async_context(served(_keys(), tls=_tls(installation)))
        told = {
            "TOKEN_JWKS_URL": f"https://127.0.0.1:{auth.port('public')}/jwks",
            "TOKEN_ISSUER": ISSUER,
            "TELEMETRY_LOG_LEVEL": "warning",
        }
        api = await running.enter_async_context(started(installation, "profile", "api", **told))
        await running.enter_async_context(
            started(installation, "profile", "worker", TELEMETRY_LOG_LEVEL="warning")
        )
        _, pooler = await servers_of(installation, root)
        spending = Spending(root, api.process.pid, pooler)
        yield ProfileApi(installation, root, f"{api.url}/api/v1/profile/me", api.probe, spending)


def _keys() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/jwks")
    async def jwks() -> dict[str, list[object]]:
        return {"keys": [KEY.as_dict(private=False)]}

    return app


def _tls(installation: Installation):
    told = installation.environment("auth", "api")
    names = ("ca_file", "certificate_file", "key_file")
    given = {name: told[f"INTERNAL_{name.upper()}"] for name in names} | {"port": 1}
    return internal_server_tls(InternalSettings.model_validate(given))
