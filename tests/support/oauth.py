"""Clients of services and people that are signed in, for what is asked at auth's OAuth endpoints."""

import base64
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest

from auth_service.domain.service_clients import ServiceClient
from auth_service.usecases.administer_clients import add_client, disable_client
from common.clock import utc_now
from common.ids import new_id
from common.postgres.context import Context
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp

ROOT = "http://auth.test"
PASSWORD = "correct horse battery"


class ClientOf(Protocol):
    async def __call__(
        self, client_id: str, *, audiences: set[str], scopes: set[str] = ...
    ) -> tuple[str, str]: ...


def claims_of(token: str) -> dict[str, Any]:
    """Unverified."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@pytest.fixture
def client_of(auth_app: AuthApp, databases: Any) -> ClientOf:
    async def client_of(
        client_id: str, *, audiences: set[str], scopes: set[str] = frozenset()
    ) -> tuple[str, str]:
        client = ServiceClient(client_id, audiences=frozenset(audiences), scopes=frozenset(scopes))
        async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as tx:
            secret = await add_client(tx, client, now=utc_now(), new_id=new_id, randomness=os.urandom)
        assert secret is not None
        return client_id, secret

    return client_of


@pytest.fixture
def disable(databases: Any) -> Callable[[str], Awaitable[bool]]:
    async def disable(client_id: str) -> bool:
        async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as tx:
            return await disable_client(tx, client_id=client_id, new_id=new_id)

    return disable


@pytest.fixture
def signed_in(auth_app: AuthApp, superuser: Any) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def signed_in(*, role: str = "user") -> dict[str, Any]:
        hashed = await auth_app.resources.hashing.hash(PASSWORD)
        email = f"{new_id().hex}@example.org"
        await add_user(superuser, email=email, hashed_password=hashed, role=role)
        return await auth_app.log_in(email, PASSWORD)

    return signed_in
