"""Every operation that is documented, asked as it says and otherwise: no server error, nothing undocumented.

The dice fall by the seed that a failure names; QUARTET_TEST_SEED repeats it.
"""

import os
from typing import Any

import pytest

from common.clock import utc_now
from common.ids import new_id
from tests.support.accounts import add_user, grant_session
from tests.support.auth_app import AuthApp
from tests.support.campaign import chosen_seed
from tests.support.fuzzing import Caller, faults
from tests.support.oauth import PASSWORD
from tests.support.service_app import service_app, token_for

SEED = chosen_seed()
EXAMPLES = 400 if os.environ.get("QUARTET_TEST_LONG") else 3
OTHER_SERVICES = ("profile", "calendar", "chat")


async def signed_in(auth_app: AuthApp, superuser: Any, hashed: str, **known: str) -> Caller:
    email = f"{new_id().hex}@example.org"
    user_id = await add_user(superuser, email=email, hashed_password=hashed)
    now = utc_now()
    grant = await grant_session(auth_app.database, user_id, now=now)
    issued = await auth_app.resources.tokens.issue(grant, now=now)
    own = {
        "email": email,
        "new_email": f"{new_id().hex}@example.org",
        **dict.fromkeys(("password", "current_password"), PASSWORD),
        "new_password": "another horse battery",
        **dict.fromkeys(("refresh_token", "token"), issued.refresh_token),
        "session_id": str(issued.session_id),
        "audience": "auth",
    }
    return Caller(issued.access_token, {**own, **known})


class TestEveryOperation:
    async def test_of_auth_answers_as_documented(self, auth_app: AuthApp, superuser, client_of):
        client_id, secret = await client_of("fuzz", audiences={"auth"}, scopes={"credentials:read"})
        hashed = await auth_app.resources.hashing.hash(PASSWORD)

        async def sign_in() -> Caller:
            return await signed_in(auth_app, superuser, hashed, client_id=client_id, client_secret=secret)

        assert await faults(auth_app.app, sign_in, seed=SEED, examples=EXAMPLES) == {}

    @pytest.mark.parametrize("service", OTHER_SERVICES)
    async def test_of_another_service_answers_as_documented(
        self, installation, databases, redis_clients, cleaned_by, service
    ):
        user_id = new_id()
        async with service_app(
            service, installation, databases(service, "api"), redis_clients(service)
        ) as app:

            async def sign_in() -> Caller:
                return Caller(token_for(app, user_id, service), {"user_id": str(user_id)})

            assert await faults(app, sign_in, seed=SEED, examples=EXAMPLES) == {}
