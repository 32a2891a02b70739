"""Real processes of auth and of another service: a session that ends in the one is refused by both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest

from auth_service.domain.passwords import HashingCost, Passwords
from tests.support.accounts import add_user
from tests.support.processes import started
from tests.support.waiting import eventually, throughout

ADA, PASSWORD = "ada@example.org", "correct horse battery"
PROMISED_SECONDS = 3.0
"""A quarter of a second was measured, one is promised; the machine may run other tests beside."""


@dataclass(frozen=True)
class Everywhere:
    auth: httpx.AsyncClient
    profile: httpx.AsyncClient

    async def log_in(self) -> dict[str, str]:
        answer = await self.auth.post("/login", json={"email": ADA, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refresh(self, tokens: dict[str, str]) -> httpx.Response:
        return await self.auth.post("/token/refresh", json={"refresh_token": tokens["refresh_token"]})

    async def taken(self, tokens: dict[str, str]) -> list[bool]:
        """Whether the access token opens auth, and the other service."""
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        answers = [await one.get("/me", headers=headers) for one in (self.auth, self.profile)]
        assert all(answer.status_code in {200, 401, 404} for answer in answers)
        return [answer.status_code != 401 for answer in answers]


@pytest.fixture
async def everywhere(installation, streams, superuser, free_port) -> AsyncIterator[Everywhere]:
    stored = await asyncio.to_thread(Passwords(HashingCost()).hash, PASSWORD)
    await add_user(superuser, email=ADA, hashed_password=stored)
    keys = {"TOKEN_JWKS_URL": f"https://127.0.0.1:{free_port}/.well-known/jwks.json"}
    async with AsyncExitStack() as running:
        workers = [
            running.enter_async_context(started(installation, service, "worker"))
            for service in ("auth", "profile")
        ]
        auth, *_ = await asyncio.gather(
            running.enter_async_context(
                started(installation, "auth", "api", INTERNAL_PORT=str(free_port), **keys)
            ),
            *workers,
        )
        profile = await running.enter_async_context(started(installation, "profile", "api", **keys))
        clients = [
            await running.enter_async_context(
                httpx.AsyncClient(base_url=f"{one.url}/api/v1/{name}", trust_env=False, timeout=20)
            )
            for one, name in ((auth, "auth"), (profile, "profile"))
        ]
        yield Everywhere(*clients)


class TestASession:
    async def test_that_ends_in_auth_is_refused_everywhere(self, everywhere: Everywhere):
        async def is_refused(tokens: dict[str, str], within: float) -> None:
            async def everywhere_refused() -> bool:
                return await everywhere.taken(tokens) == [False, False]

            await eventually(everywhere_refused, within=within)
            await throughout(everywhere_refused, seconds=0.3)

        # a group that has just begun takes seconds until it has its partitions
        first, spared = await everywhere.log_in(), await everywhere.log_in()
        assert await everywhere.taken(first) == [True, True]
        await everywhere.auth.post("/logout", json={"refresh_token": first["refresh_token"]})
        await is_refused(first, within=20)

        chain = [await everywhere.log_in()]
        for _ in range(3):
            chain.append((await everywhere.refresh(chain[-1])).json())
        assert await everywhere.taken(chain[-1]) == [True, True]
        stolen = await everywhere.refresh(chain[0])

        assert stolen.json()["code"] == "refresh_token.reused"
        await is_refused(chain[-1], within=PROMISED_SECONDS)
        assert await everywhere.taken(spared) == [True, True]
