"""profile's own processes, with keys and tokens of the test: a session ends on Kafka, its tokens end here."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from common.contracts.auth import SessionRevoked
from common.contracts.envelope import Event
from common.http.tls import internal_server_tls
from common.postgres.engine import Database
from common.settings import InternalSettings
from tests.support.factories import session_revoked
from tests.support.installation import Installation
from tests.support.listening import served
from tests.support.processes import Started, started
from tests.support.streams import Streams
from tests.support.tokens import ISSUER, KEY, claims, token
from tests.support.waiting import eventually

PROMISED_SECONDS = 3.0
"""A quarter of a second was measured, one is promised; the machine may run other tests beside."""
ME = "/api/v1/profile/me"


def internal_tls(installation: Installation) -> ssl.SSLContext:
    told = installation.environment("auth", "api")
    return internal_server_tls(
        InternalSettings.model_validate(
            {name: told[f"INTERNAL_{name.upper()}"] for name in ("ca_file", "certificate_file", "key_file")}
            | {"port": 1}
        )
    )


def key_set() -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/jwks")
    async def jwks() -> dict[str, list]:
        return {"keys": [KEY.as_dict(private=False)]}

    return app


def fresh_token(session_id: UUID) -> str:
    now = datetime.now(UTC)
    begins, ends = int(now.timestamp()), int((now + timedelta(minutes=10)).timestamp())
    return token(claims(sub=str(uuid4()), sid=str(session_id), scope="profile", iat=begins, exp=ends))


@pytest.fixture(params=["with Redis", "without Redis"])
async def api(
    request: pytest.FixtureRequest,
    installation: Installation,
    streams: Streams,
    database: Database,
    free_port: int,
) -> AsyncIterator[Started]:
    """An api, and the worker that hears for it."""
    told = {} if request.param == "with Redis" else {"REDIS_URL": f"rediss://127.0.0.1:{free_port}/0"}
    async with served(key_set(), tls=internal_tls(installation)) as auth, AsyncExitStack() as running:
        keys = {"TOKEN_JWKS_URL": f"https://127.0.0.1:{auth.port('public')}/jwks", "TOKEN_ISSUER": ISSUER}
        opened, _ = await asyncio.gather(
            running.enter_async_context(started(installation, "profile", "api", **keys, **told)),
            running.enter_async_context(started(installation, "profile", "worker", **told)),
        )
        yield opened


async def asked(api: Started, presented: str) -> tuple[int, str]:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as client:
        answer = await client.get(ME, headers={"Authorization": f"Bearer {presented}"})
    return answer.status_code, answer.json().get("code", "")


async def ended(api: Started, streams: Streams, event: Event[SessionRevoked], *, within: float) -> None:
    presented = fresh_token(event.data.session_id)
    assert await asked(api, presented) == (200, "")
    await streams.send(event)

    async def is_refused() -> bool:
        return await asked(api, presented) == (401, "token.revoked")

    assert await eventually(is_refused, within=within)


class TestAnEndedSession:
    async def test_is_refused_by_a_process_that_remembered_its_token(self, api: Started, streams: Streams):
        # a group that has just begun takes seconds until it has its partitions
        await ended(api, streams, session_revoked(), within=20)

        await ended(api, streams, session_revoked(), within=PROMISED_SECONDS)

        assert await asked(api, fresh_token(uuid4())) == (200, "")
