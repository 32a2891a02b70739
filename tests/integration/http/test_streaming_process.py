import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from common.ids import new_id
from common.postgres.context import Context
from common.revocation import remember_revoked_sids
from tests.support.databases import Databases
from tests.support.installation import Installation
from tests.support.processes import Started, started

GRACE_SECONDS = 12.0


@pytest.fixture
async def api(installation: Installation, superuser: asyncpg.Connection) -> AsyncGenerator[Started]:
    module = "tests.integration.http.streaming_api"
    async with started(installation, "profile", "api", module=module) as running:
        yield running


@asynccontextmanager
async def stream(api: Started, session_id: UUID) -> AsyncGenerator[httpx.Response]:
    url = f"{api.url}/api/v1/profile/stream"
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        client.stream("GET", url, params={"session_id": str(session_id)}) as response,
    ):
        yield response


async def last_words(response: httpx.Response) -> list[str]:
    return [line async for line in response.aiter_lines() if line][-2:]


class TestAnApiProcess:
    async def test_ends_the_streams_of_a_session_that_has_ended(self, api: Started, databases: Databases):
        session_id = new_id()
        async with stream(api, session_id) as response, stream(api, new_id()) as of_another:
            async with databases("profile", "worker").transaction(as_user=Context.SYSTEM) as tx:
                await remember_revoked_sids(tx, [(session_id, datetime.now(UTC) + timedelta(minutes=10))])

            assert await last_words(response) == ["event: end", 'data: {"reason": "revoked"}']
            assert not of_another.is_closed

    async def test_that_leaves_sends_its_streams_elsewhere_and_waits_for_none(self, api: Started):
        async with stream(api, new_id()) as response:
            api.send(signal.SIGTERM)

            assert await last_words(response) == ["event: reconnect", 'data: {"reason": "leaving"}']
        assert await api.ended(within=GRACE_SECONDS) == 0
        assert api.said("drain.step_too_slow") is None
