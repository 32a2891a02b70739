"""auth's own api, twice, behind one Redis: who is limited, and by whom it is told who that is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from common.postgres.engine import Database
from tests.support.caches import RedisClients
from tests.support.installation import Installation
from tests.support.processes import Started, started


@pytest.fixture
async def apis(
    installation: Installation, redis_clients: RedisClients, database: Database
) -> AsyncIterator[list[Started]]:
    told = {
        "HTTP_RATE_LIMITS": json.dumps({"login": "4/36000"}),
        "HTTP_TRUSTED_PROXIES": json.dumps(["127.0.0.1/32"]),
    }
    async with AsyncExitStack() as running:
        yield await asyncio.gather(
            *(running.enter_async_context(started(installation, "auth", "api", **told)) for _ in range(2))
        )


async def sign_in(api: Started, address: str) -> httpx.Response:
    """Without a word: refused for that, after it was counted."""
    async with httpx.AsyncClient(base_url=api.url, trust_env=False, timeout=20) as client:
        return await client.post("/api/v1/auth/login", json={}, headers={"X-Forwarded-For": address})


class TestSigningIn:
    async def test_is_limited_over_all_processes_for_the_address_that_the_gateway_names(
        self, apis: list[Started]
    ):
        answers = [await sign_in(api, "198.51.100.7") for api in (*apis, *apis, *apis)]
        elsewhere = await sign_in(apis[0], "198.51.100.8")

        assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 429, 429]
        assert answers[3].headers["ratelimit"].startswith('"login";r=0;')
        assert answers[-1].json()["code"] == "requests.too_many"
        assert elsewhere.status_code == 422
