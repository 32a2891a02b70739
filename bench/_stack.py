"""What benches ask of the running stack, as a client of the gateway would."""

import asyncio
import base64
import json
import ssl
from uuid import uuid4

import httpx

from quartet_cli.mails import link_token
from quartet_cli.stack import Stack

PASSWORD = "correct horse battery"


def gateway(stack: Stack) -> httpx.AsyncClient:
    tls = ssl.create_default_context(cafile=str(stack.ca_file))
    return httpx.AsyncClient(base_url=stack.gateway_url, verify=tls, trust_env=False, timeout=20)


async def register(client: httpx.AsyncClient) -> str:
    email = f"bench-{uuid4().hex}@example.org"
    answer = await client.post(
        "/api/v1/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ada Lovelace"}
    )
    answer.raise_for_status()
    return email


async def verify(client: httpx.AsyncClient, stack: Stack, email: str) -> None:
    """By the link of the mail, which the stack's own sink has taken."""
    async with asyncio.timeout(20):
        while (token := link_token(stack.folder("mail"), to=email)) is None:  # noqa: ASYNC110 - looked for in a folder
            await asyncio.sleep(0.05)
    (await client.post("/api/v1/auth/verify-email", json={"token": token})).raise_for_status()


async def log_in(client: httpx.AsyncClient, email: str) -> str:
    answer = await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    answer.raise_for_status()
    return answer.json()["access_token"]


async def new_user(stack: Stack) -> tuple[str, str]:
    """Id and token of somebody whose profile is there."""
    async with gateway(stack) as client:
        email = await register(client)
        await verify(client, stack, email)
        token = await log_in(client, email)
        headers = {"Authorization": f"Bearer {token}"}
        async with asyncio.timeout(20):
            while (await client.get("/api/v1/profile/me", headers=headers)).json().get("version", 0) < 1:  # noqa: ASYNC110 - asked over HTTP
                await asyncio.sleep(0.05)
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sub"], token
