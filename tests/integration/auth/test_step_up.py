import base64
import json
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import pytest

from common.http.permissions import require_fresh
from common.http.principals import Acr, Principal
from common.ids import new_id
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp

PASSWORD = "correct horse battery"
ADA = "ada@example.org"
SENSITIVE = "/api/v1/auth/sensitive"


@pytest.fixture
async def ada(auth_app: AuthApp, superuser) -> UUID:
    return await add_user(
        superuser, email=ADA, hashed_password=await auth_app.resources.hashing.hash(PASSWORD)
    )


@pytest.fixture
async def tokens(auth_app, ada):
    return await auth_app.log_in(ADA, PASSWORD)


@pytest.fixture
def an_hour_ago(superuser):
    """Everybody signed in then."""

    async def an_hour_ago() -> None:
        await superuser.execute(
            """update auth.authentication_sessions set created_at = created_at - interval '1 hour',
               last_seen_at = last_seen_at - interval '1 hour',
               auth_time = auth_time - interval '61 minutes'"""
        )

    return an_hour_ago


@pytest.fixture
def step_up(auth_app):
    async def step_up(tokens: dict[str, str], password: str = PASSWORD, **more: str):
        async with auth_app.client(tokens["access_token"]) as client:
            return await client.post("/step-up", json={"method": "password", "password": password, **more})

    return step_up


@pytest.fixture
def refresh(auth_app):
    async def refresh(tokens: dict[str, str]) -> dict[str, str]:
        async with auth_app.client() as client:
            answer = await client.post("/token/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert answer.status_code == 200
        return answer.json()

    return refresh


@pytest.fixture
def ask(auth_app):
    """A sensitive route, as a service has them."""

    async def get_sensitive(
        user: Annotated[Principal, require_fresh(300, acr=Acr.STEPPED_UP)],
    ) -> str:
        return str(user.user_id)

    auth_app.app.add_api_route(SENSITIVE, get_sensitive)

    async def ask(tokens: dict[str, str]):
        async with auth_app.client(tokens["access_token"]) as client:
            return await client.get("/sensitive")

    return ask


def said(tokens: dict[str, str]) -> dict[str, object]:
    payload = tokens["access_token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class TestARouteThatCouldTakeAnAccountOver:
    """It asks for the password, and for a proof of the last hour: a step-up asks for a second factor, too."""

    @pytest.fixture(
        params=[
            ("/password/change", {"current_password": PASSWORD, "new_password": "staple correct horse"}),
            ("/email/change", {"new_email": "countess@example.org", "password": PASSWORD}),
        ],
        ids=["password", "e-mail"],
    )
    def change(self, request, auth_app):
        path, body = request.param

        async def change(tokens: dict[str, str], **other: str):
            async with auth_app.client(tokens["access_token"]) as client:
                return await client.post(path, json={**body, **other})

        return change

    async def test_answers_an_older_proof_with_a_challenge(
        self, tokens, an_hour_ago, refresh, change, step_up
    ):
        await an_hour_ago()
        tokens = await refresh(tokens)

        before = await change(tokens)
        after = await change((await step_up(tokens)).json())

        challenge = before.headers["WWW-Authenticate"]
        assert (before.status_code, before.json()["code"]) == (401, "token.step_up_required")
        assert 'error="insufficient_user_authentication"' in challenge
        assert 'max_age="3600"' in challenge
        assert after.status_code in {202, 204}

    async def test_takes_a_sign_in_of_a_moment_ago(self, tokens, change):
        assert (await change(tokens)).status_code in {202, 204}


class TestStepUp:
    async def test_opens_what_asks_for_a_fresh_proof(self, tokens, ask, step_up, ada):
        before = await ask(tokens)
        raised = await step_up(tokens)
        after = await ask(raised.json())

        assert (before.status_code, before.json()["code"]) == (401, "token.step_up_required")
        assert 'max_age="300", acr_values="urn:quartet:acr:stepped-up"' in before.headers["WWW-Authenticate"]
        assert (after.status_code, after.json()) == (200, str(ada))

    async def test_tells_when_and_how_it_was_proven(self, tokens, step_up, an_hour_ago, refresh):
        await an_hour_ago()
        old = said(await refresh(tokens))
        new = said((await step_up(tokens)).json())

        assert (old["acr"], new["acr"]) == ("urn:quartet:acr:signed-in", "urn:quartet:acr:stepped-up")
        assert new["auth_time"] - old["auth_time"] >= timedelta(hours=1).total_seconds() - 1
        assert (new["amr"], new["sid"], new["sub"]) == (["pwd"], old["sid"], old["sub"])

    async def test_is_remembered_by_the_session_whose_refresh_token_stays(self, tokens, step_up, refresh):
        raised = said((await step_up(tokens)).json())

        kept = said(await refresh(tokens))

        assert (kept["acr"], kept["auth_time"]) == (raised["acr"], raised["auth_time"])

    async def test_raises_no_other_session(self, auth_app, tokens, step_up, refresh):
        elsewhere = await auth_app.log_in(ADA, PASSWORD)
        await step_up(tokens)

        assert said(await refresh(elsewhere))["acr"] == "urn:quartet:acr:signed-in"

    async def test_raises_the_acr_although_the_clock_is_behind(self, tokens, step_up, superuser):
        await superuser.execute(
            "update auth.authentication_sessions set created_at = created_at + interval '2 s'"
        )

        assert said((await step_up(tokens)).json())["acr"] == "urn:quartet:acr:stepped-up"

    async def test_with_the_wrong_password_is_refused_and_leaves_a_trace(
        self, tokens, step_up, refresh, superuser, ada
    ):
        answer = await step_up(tokens, "another long password")

        entry = await superuser.fetchrow("select action, user_id, data from auth.audit_log")
        assert (answer.status_code, answer.json()["code"]) == (403, "password.wrong")
        assert (entry["action"], entry["user_id"]) == ("session.step_up_refused", ada)
        assert json.loads(entry["data"])["session_id"] == tokens["session_id"]
        assert said(await refresh(tokens))["acr"] == "urn:quartet:acr:signed-in"

    async def test_is_written_down(self, tokens, step_up, superuser):
        await step_up(tokens)

        assert await superuser.fetchval("select action from auth.audit_log") == "session.stepped_up"

    async def test_of_a_session_that_ended_is_refused(self, auth_app, tokens, step_up, superuser):
        await superuser.execute(
            "update auth.authentication_sessions set is_active = false, revoked_at = now()"
        )

        answer = await step_up(tokens)

        assert (answer.status_code, answer.json()["code"]) == (401, "session.ended")

    @pytest.mark.parametrize(
        "body",
        [{}, {"method": "password"}, {"method": "none", "password": PASSWORD}, {"password": PASSWORD}],
    )
    async def test_takes_no_other_proof(self, auth_app, tokens, body):
        async with auth_app.client(tokens["access_token"]) as client:
            answer = await client.post("/step-up", json=body)

        assert answer.status_code == 422

    async def test_is_for_who_is_signed_in(self, auth_app):
        async with auth_app.client() as client:
            answer = await client.post("/step-up", json={"method": "password", "password": PASSWORD})

        assert (answer.status_code, answer.json()["code"]) == (401, "token.missing")

    async def test_by_the_password_of_somebody_else_is_refused(self, auth_app, tokens, step_up, superuser):
        other = "another long password"
        stored = await auth_app.resources.hashing.hash(other)
        await add_user(superuser, email=f"{new_id().hex}@example.org", hashed_password=stored)

        assert (await step_up(tokens, other)).status_code == 403
