"""Every operation that is documented, asked as it says and otherwise: no server error, nothing undocumented.

The dice fall by the seed that a failure names; QUARTET_TEST_SEED repeats it.
"""

import os
import random
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from common.ids import new_id
from tests.support.auth_app import AuthApp
from tests.support.campaign import chosen_seed
from tests.support.fuzzing import Operation, Requests, fault, operations
from tests.support.oauth import PASSWORD
from tests.support.schema_values import Values
from tests.support.service_app import service_app, token_for

SEED = chosen_seed()
ROUNDS, REQUESTS_A_ROUND = (40, 25) if os.environ.get("QUARTET_TEST_LONG") else (2, 12)
OTHER_SERVICES = ("profile", "calendar", "chat")


async def fuzzed(
    app: FastAPI, operation: Operation, turn: int, *, token: str, known: dict[str, Any], **headers: str
) -> dict[str, str]:
    """What was wrong, by the request."""
    dice = random.Random(f"{SEED} {operation.name} {turn}")
    document = app.openapi()
    requests = Requests(dice, Values(dice, document, known))
    found: dict[str, str] = {}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport) as client:
        for _ in range(REQUESTS_A_ROUND):
            bearer = dice.choice((token, token, token, token, token, "", "nonsense", f"{token[:-5]}AAAAA"))
            given = {"Authorization": f"Bearer {bearer}"} if bearer else {}
            request = requests.drawn(operation, headers={**given, **headers})
            wrong = fault(document, operation, await client.send(request))
            if wrong is not None:
                found[f"seed {SEED}: {request.method} {request.url} {request.content[:300]!r}"] = wrong
    return found


class TestEveryOperation:
    async def test_of_auth_answers_as_documented(self, auth_app: AuthApp, signed_in, client_of):
        client_id, secret = await client_of("fuzz", audiences={"auth"}, scopes={"credentials:read"})
        found: dict[str, str] = {}
        for operation in operations(auth_app.app.openapi()):
            for turn in range(ROUNDS):
                tokens = await signed_in()
                known = {
                    **{name: tokens[name] for name in ("refresh_token", "session_id")},
                    **dict.fromkeys(("password", "current_password"), PASSWORD),
                    "new_password": "another horse battery",
                    "token": tokens["access_token"],
                    "email": f"{new_id().hex}@example.org",
                    "new_email": f"{new_id().hex}@example.org",
                    "client_id": client_id,
                    "client_secret": secret,
                    "audience": "auth",
                }
                found |= await fuzzed(
                    auth_app.app, operation, turn, token=tokens["access_token"], known=known
                )

        assert found == {}

    @pytest.mark.parametrize("service", OTHER_SERVICES)
    async def test_of_another_service_answers_as_documented(
        self, installation, databases, redis_clients, cleaned_by, service
    ):
        found: dict[str, str] = {}
        user_id = new_id()
        async with service_app(
            service, installation, databases(service, "api"), redis_clients(service)
        ) as app:
            token = token_for(app, user_id, service)
            for operation in operations(app.openapi()):
                for turn in range(ROUNDS):
                    found |= await fuzzed(app, operation, turn, token=token, known={"user_id": str(user_id)})

        assert found == {}
