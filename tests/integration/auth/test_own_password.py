"""Routes that take the password of somebody who is signed in: no place to guess it."""

import asyncio
from uuid import UUID

import httpx
import pytest

from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp

ADA = "ada@example.org"
RIGHT, WRONG = "correct horse battery", "staple of all the guesses"
ROUTES = {
    "/step-up": {"method": "password", "password": WRONG},
    "/password/change": {"current_password": WRONG, "new_password": "nobody thinks of this"},
    "/email/change": {"new_email": "eve@example.org", "password": WRONG},
    "/me/deactivate": {"password": WRONG},
    "/me/erasure": {"password": WRONG},
}
FREE = 5


@pytest.fixture
async def ada(auth_app: AuthApp, superuser) -> UUID:
    return await add_user(superuser, email=ADA, hashed_password=await auth_app.resources.hashing.hash(RIGHT))


@pytest.fixture
async def tokens(auth_app, ada):
    return await auth_app.log_in(ADA, RIGHT)


@pytest.fixture
def ask(auth_app, tokens):
    """With the stolen token; the device is the thief's unless the headers say otherwise."""

    async def ask(path: str, password: str = WRONG, **headers: str) -> httpx.Response:
        body = {name: password if value == WRONG else value for name, value in ROUTES[path].items()}
        async with auth_app.client(tokens["access_token"], **headers) as client:
            return await client.post(path, json=body)

    return ask


@pytest.fixture
def log_in(auth_app):
    async def log_in(**headers: str) -> httpx.Response:
        async with auth_app.client(**headers) as client:
            return await client.post("/login", json={"email": ADA, "password": RIGHT})

    return log_in


class TestAStolenAccessToken:
    @pytest.mark.parametrize("path", ROUTES)
    async def test_gives_no_more_guesses_than_the_login(self, ask, path):
        answers = [await ask(path) for _ in range(FREE)]
        afterwards = [await ask(path), await ask(path, RIGHT)]

        assert [answer.json()["code"] for answer in answers] == ["password.wrong"] * FREE
        assert [answer.json()["code"] for answer in afterwards] == ["login.locked"] * 2
        assert int(afterwards[0].headers["retry-after"]) > 0

    async def test_shares_its_guesses_among_all_routes_and_the_login(self, ask, log_in):
        for path in ROUTES:
            await ask(path)

        assert {(await ask(path, RIGHT)).status_code for path in ROUTES} == {429}
        assert (await log_in()).json()["code"] == "login.locked"

    async def test_that_asks_all_at_once_gets_no_more_answers(self, ask):
        answers = await asyncio.gather(*(ask("/step-up") for _ in range(20)))

        assert sum(answer.status_code == 403 for answer in answers) <= FREE

    async def test_costs_no_hash_while_it_waits(self, ask, auth_app):
        for _ in range(FREE):
            await ask("/step-up")
        hashed = []
        hashing = auth_app.resources.hashing
        hashing.matches = lambda *told: hashed.append(told)

        await ask("/step-up")

        assert hashed == []

    async def test_keeps_nobody_from_a_device_that_is_known(self, ask, log_in):
        device = (await log_in()).headers["X-Quartet-Device"]
        for _ in range(FREE + 1):
            await ask("/step-up")

        owner = {"X-Quartet-Device": device}
        assert (await ask("/step-up", RIGHT, **owner)).status_code == 200
        assert (await log_in(**owner)).status_code == 200

    async def test_leaves_a_trace_of_each_guess_and_of_the_lock(self, ask, superuser, tokens):
        for _ in range(FREE + 1):
            await ask("/me/deactivate")

        rows = await superuser.fetch("select action, data ->> 'session_id' from auth.audit_log order by id")
        assert [tuple(row) for row in rows] == [
            *[("account.deactivation_refused", tokens["session_id"])] * FREE,
            ("login.locked", tokens["session_id"]),
        ]

    async def test_does_not_forgive_the_guesses_of_others(self, ask, superuser):
        """Only a full login does: the password alone may be half of one."""
        await ask("/step-up")
        await ask("/step-up", RIGHT)

        assert await superuser.fetchval("select max(failures) from auth.login_attempts") == 1
