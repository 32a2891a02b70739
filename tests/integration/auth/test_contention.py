"""Many who present one refresh token at once, answers that get lost, and copies that somebody took."""

import asyncio
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from auth_service.domain.sessions import SessionLimits
from common.ids import new_id
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp
from tests.support.waiting import eventually, throughout

PASSWORD = "correct horse battery"
ADA = "ada@example.org"
CLIENTS, SESSIONS = 50, 4


@pytest.fixture
async def ada(auth_app: AuthApp, superuser):
    stored = await auth_app.resources.hashing.hash(PASSWORD)
    return await add_user(superuser, email=ADA, hashed_password=stored)


@pytest.fixture
async def client(auth_app, ada):
    async with auth_app.client() as client:
        yield client


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/token/refresh", json={"refresh_token": token})


async def generations(client: httpx.AsyncClient, tokens: dict[str, str], number: int) -> list[dict[str, str]]:
    """The tokens of the login and of so many refreshes after it."""
    chain = [tokens]
    for _ in range(number):
        chain.append((await refresh(client, chain[-1]["refresh_token"])).json())
    return chain


async def is_refused(auth_app: AuthApp, tokens: dict[str, str]) -> bool:
    async with auth_app.client(tokens["access_token"]) as client:
        return (await client.get("/me")).status_code == 401


class TestOneToken:
    async def test_presented_by_fifty_at_once_has_one_successor_and_loses_no_session(
        self, auth_app, client, superuser
    ):
        logins = [await auth_app.log_in(ADA, PASSWORD) for _ in range(SESSIONS)]

        answers = [
            answer
            for login in logins
            for answer in await asyncio.gather(
                *(refresh(client, login["refresh_token"]) for _ in range(CLIENTS))
            )
        ]

        assert Counter(answer.status_code for answer in answers) == {200: CLIENTS * SESSIONS}
        told = {(answer.json()["session_id"], answer.json()["refresh_token"]) for answer in answers}
        assert {session for session, _ in told} == {login["session_id"] for login in logins}
        assert len(told) == SESSIONS
        after = [await refresh(client, successor) for _, successor in told]
        assert [answer.status_code for answer in after] == [200] * SESSIONS
        counters = await superuser.fetch("select refresh_counter from auth.authentication_sessions")
        assert [row["refresh_counter"] for row in counters] == [2] * SESSIONS

    async def test_whose_answer_was_lost_gets_it_again_at_once_and_later(self, auth_app, client):
        first = await auth_app.log_in(ADA, PASSWORD)
        lost = (await refresh(client, first["refresh_token"])).json()

        again = [(await refresh(client, first["refresh_token"])).json() for _ in range(3)]

        assert {one["refresh_token"] for one in again} == {lost["refresh_token"]}
        assert not any([await is_refused(auth_app, one) for one in again])

    @pytest.mark.parametrize("generations_old", [2, 3])
    async def test_of_long_ago_ends_the_session_with_its_access_tokens(
        self, auth_app, client, generations_old
    ):
        chain = await generations(client, await auth_app.log_in(ADA, PASSWORD), generations_old)

        answer = await refresh(client, chain[0]["refresh_token"])

        assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token.reused")
        newest = await refresh(client, chain[-1]["refresh_token"])
        assert (newest.status_code, newest.json()["code"]) == (401, "session.ended")

        async def all_are_refused() -> bool:
            return all([await is_refused(auth_app, tokens) for tokens in chain])

        # within a second on a machine that does nothing else
        await eventually(all_are_refused, within=3.0)
        await throughout(all_are_refused, seconds=0.2)

    async def test_of_long_ago_ends_no_other_session(self, auth_app, client):
        other = await auth_app.log_in(ADA, PASSWORD)
        chain = await generations(client, await auth_app.log_in(ADA, PASSWORD), 2)

        await refresh(client, chain[0]["refresh_token"])

        await eventually(lambda: is_refused(auth_app, chain[-1]))
        assert not await is_refused(auth_app, other)
        assert (await refresh(client, other["refresh_token"])).status_code == 200

    async def test_of_long_ago_presented_by_fifty_tells_of_one_end(self, auth_app, client, superuser):
        chain = await generations(client, await auth_app.log_in(ADA, PASSWORD), 2)

        answers = await asyncio.gather(*(refresh(client, chain[0]["refresh_token"]) for _ in range(CLIENTS)))

        assert {answer.status_code for answer in answers} == {401}
        assert await superuser.fetchval("select count(*) from auth.outbox") == 1

    async def test_and_a_sign_out_at_once_leave_the_session_ended(self, auth_app, client):
        tokens = await auth_app.log_in(ADA, PASSWORD)
        body = {"refresh_token": tokens["refresh_token"]}

        answers = await asyncio.gather(
            *(refresh(client, tokens["refresh_token"]) for _ in range(10)),
            client.post("/logout", json=body),
            *(refresh(client, tokens["refresh_token"]) for _ in range(10)),
        )

        assert {answer.status_code for answer in answers} <= {200, 204, 401}
        assert (await refresh(client, tokens["refresh_token"])).json()["code"] == "session.ended"
        await eventually(lambda: is_refused(auth_app, tokens))


class TestALogin:
    async def test_never_goes_on_with_a_session_that_somebody_brought(self, auth_app, client, ada):
        """Fixation: whoever planted a session in a browser does not share the one that begins there."""
        planted = await auth_app.log_in(ADA, PASSWORD)
        headers = {
            "Authorization": f"Bearer {planted['access_token']}",
            "Cookie": f"__Host-quartet-refresh={planted['refresh_token']}",
        }

        answer = await client.post("/login", json={"email": ADA, "password": PASSWORD}, headers=headers)

        assert answer.json()["session_id"] != planted["session_id"]
        assert answer.json()["refresh_token"] != planted["refresh_token"]

    @pytest.mark.parametrize("field", ["session_id", "sid", "id", "user_id"])
    async def test_takes_no_session_from_its_body(self, client, field):
        body = {"email": ADA, "password": PASSWORD, field: str(new_id())}

        answer = await client.post("/login", json=body)

        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "field.unknown")

    async def test_beyond_the_most_ends_the_oldest_session_with_its_access_token(self, auth_app, ada):
        served = auth_app.app.state
        served.resources = replace(served.resources, session_limits=SessionLimits(most=2))
        oldest, *newer = [await auth_app.log_in(ADA, PASSWORD) for _ in range(3)]

        await eventually(lambda: is_refused(auth_app, oldest))
        assert [await is_refused(auth_app, tokens) for tokens in newer] == [False, False]
        async with auth_app.client(newer[-1]["access_token"]) as client:
            items = (await client.get("/sessions")).json()["items"]
        assert {item["id"] for item in items} == {tokens["session_id"] for tokens in newer}


class TestTokens:
    async def test_of_one_user_reach_nothing_of_another(self, auth_app, client, superuser):
        stored = await auth_app.resources.hashing.hash(PASSWORD)
        await add_user(superuser, email="bob@example.org", hashed_password=stored)
        ada, bob = await auth_app.log_in(ADA, PASSWORD), await auth_app.log_in("bob@example.org", PASSWORD)

        async with auth_app.client(bob["access_token"]) as bobs:
            refreshed = await bobs.post("/token/refresh", json={"refresh_token": ada["refresh_token"]})
            shown = await bobs.get(f"/sessions/{ada['session_id']}")
            me = await bobs.get("/me")

        # a refresh token speaks for its own session, whoever's access token stands beside it
        assert refreshed.json()["session_id"] == ada["session_id"]
        assert (shown.status_code, me.json()["email"]) == (404, "bob@example.org")
