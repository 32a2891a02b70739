"""The whole stack as a client sees it: HTTPS at the gateway, and nothing behind it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from quartet_cli.mails import link_token
from quartet_cli.stack import Stack
from tests.support.installation import load_stack
from tests.support.tls import client_context
from tests.support.waiting import eventually

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Newcomer:
    """Somebody who registered, read their mail and signed in."""

    email: str
    password: str
    token: str

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


SECRETS: set[str] = set()
"""Every password and every token that this run gave to anybody or was given."""


class Gateway:
    def __init__(self, client: httpx.AsyncClient, stack: Stack) -> None:
        self.client = client
        self._mails = stack.folder("mail")

    async def register(self, email: str, password: str = PASSWORD, **fields: object) -> httpx.Response:
        SECRETS.add(password)
        body = {"email": email, "password": password, **fields}
        return await self.client.post("/api/v1/auth/register", json=body)

    async def verify(self, email: str) -> None:
        """By the link of the mail, which the stack's own sink has taken."""
        token = await eventually(lambda: link_token(self._mails, to=email), within=30)
        SECRETS.add(token)
        answer = await self.client.post("/api/v1/auth/verify-email", json={"token": token})
        assert answer.status_code == 204, answer.text

    async def log_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        SECRETS.add(password)
        answer = await self.client.post("/api/v1/auth/login", json={"email": email, "password": password})
        # a token that is not told to this caller is null
        SECRETS.update(value for name, value in answer.json().items() if name.endswith("token") and value)
        return answer

    async def newcomer(self, **fields: object) -> Newcomer:
        email = f"{uuid4().hex}@example.org"
        registered = await self.register(email, **fields)
        assert registered.status_code == 202, registered.text
        await self.verify(email)
        answer = await self.log_in(email)
        assert answer.status_code == 200, answer.text
        return Newcomer(email, PASSWORD, answer.json()["access_token"])

    async def get(self, path: str, who: Newcomer | None = None, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers | (who.authorization if who else {}))


@pytest.fixture(scope="session")
def stack() -> Stack:
    return load_stack()


@pytest.fixture(scope="session")
async def gateway(stack: Stack) -> AsyncIterator[Gateway]:
    context = client_context(stack)
    async with httpx.AsyncClient(base_url=stack.gateway_url, verify=context, timeout=20) as client:
        yield Gateway(client, stack)
