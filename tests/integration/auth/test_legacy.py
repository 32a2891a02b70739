"""Tokens of the older system at auth, which alone can look up the addresses that some of them name."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from auth_service.app import API
from common.clock import utc_now
from common.composition.api import access_tokens
from common.errors import QuartetError
from common.http.legacy_use import ACTION
from common.ids import new_id
from common.settings import LegacySettings
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp, serving
from tests.support.oauth import ROOT
from tests.support.tokens import LEGACY_SECRET, hs256

ADA = "Ada@Example.org"


def legacy(*, sunset: timedelta = timedelta(days=30), scopes: tuple[str, ...] = ("account",)) -> Any:
    return LegacySettings.model_validate(
        {"secret": LEGACY_SECRET, "sunset": utc_now() + sunset, "scopes": scopes}
    )


@pytest.fixture
async def ada(auth_app, superuser):
    return await add_user(superuser, email=ADA)


@pytest.fixture
def app_with(auth_app: AuthApp, databases, redis_clients):
    def app_with(settings: LegacySettings):
        return serving(
            auth_app.settings.model_copy(update={"legacy": settings}),
            databases("auth", "api"),
            redis_clients("auth"),
        )

    return app_with


@pytest.fixture
async def taking(app_with):
    """auth, while it still takes older tokens."""
    async with app_with(legacy()) as app:
        yield app


@pytest.fixture
def get_me(taking) -> Callable[..., Awaitable[httpx.Response]]:
    async def get_me(**claims: Any) -> httpx.Response:
        async with taking.client(older(**claims)) as client:
            return await client.get("/me")

    return get_me


def older(**claims: Any) -> str:
    return hs256({"exp": int((utc_now() + timedelta(hours=1)).timestamp()), **claims})


class TestAnOlderToken:
    async def test_names_its_user_by_id(self, get_me, ada):
        assert (await get_me(sub=str(ada))).json()["id"] == str(ada)

    @pytest.mark.parametrize("spelling", [ADA, "ada@example.org", "ADA@EXAMPLE.ORG"])
    async def test_names_its_user_by_address_however_that_is_spelt(self, get_me, ada, spelling):
        assert (await get_me(sub=spelling)).json()["id"] == str(ada)

    @pytest.mark.parametrize("change", ["is_active = false", "is_verified = false"])
    async def test_by_an_address_is_refused_for_an_account_that_may_not_sign_in(
        self, get_me, ada, superuser, change
    ):
        await superuser.execute(f"update auth.users set {change}")

        answer = await get_me(sub=ADA)

        assert (answer.status_code, answer.json()["code"]) == (401, "token.legacy_subject")

    @pytest.mark.parametrize("subject", ["nobody@example.org", "x@y", "ada@example.org\x00", "'or''='@a.b"])
    async def test_of_nobody_s_address_is_refused(self, get_me, ada, subject):
        answer = await get_me(sub=subject)

        assert (answer.status_code, answer.json()["code"]) == (401, "token.legacy_subject")

    @pytest.mark.parametrize("subject", [None, 7, [ADA], {"email": ADA}, "admin", "", "a@b@c", " "])
    async def test_of_another_shape_is_refused(self, get_me, ada, subject):
        answer = await get_me(sub=subject)

        assert (answer.status_code, answer.json()["code"]) == (401, "token.malformed")

    async def test_gets_no_role_whatever_it_says(self, taking, ada, superuser):
        await superuser.execute("update auth.users set role = 'admin'")
        token = older(sub=str(ada), roles=["admin"], role="admin", scope="account admin", is_admin=True)

        principal = await taking.app.state.access_tokens.principal(token)

        assert (principal.roles, principal.scopes) == (set(), {"account"})

    async def test_proves_nothing_that_a_sensitive_route_asks_for(self, taking, ada):
        token = older(sub=str(ada), auth_time=int(utc_now().timestamp()), acr="urn:quartet:acr:stepped-up")

        principal = await taking.app.state.access_tokens.principal(token)

        assert (principal.auth_time, principal.acr) == (None, None)

    async def test_takes_no_account_over(self, taking, ada):
        async with taking.client(older(sub=str(ada))) as client:
            change = {"current_password": "correct horse battery", "new_password": "staple correct horse"}
            answer = await client.post("/password/change", json=change)

        assert (answer.status_code, answer.json()["code"]) == (401, "token.step_up_required")

    async def test_is_told_when_its_kind_ends(self, taking, ada):
        """Once, also where two dependencies of a route look at the token."""
        async with taking.client(older(sub=str(ada))) as client:
            answers = [await client.get("/me"), await client.delete("/sessions/none")]

        for answer in answers:
            (sunset,), (since,) = answer.headers.get_list("sunset"), answer.headers.get_list("deprecation")
            ends = taking.settings.legacy.sunset
            assert ends is not None
            assert parsedate_to_datetime(sunset) == ends.replace(microsecond=0)
            assert int(since.removeprefix("@")) < ends.timestamp()

    async def test_is_told_so_and_no_other_token(self, taking, ada, superuser):
        stored = await taking.resources.hashing.hash("correct horse battery")
        await superuser.execute("update auth.users set hashed_password = $1", stored)
        newer = await taking.log_in(ADA, "correct horse battery")
        async with taking.client(newer["access_token"]) as client:
            answer = await client.get("/me")

        assert {"sunset", "deprecation"}.isdisjoint(answer.headers)

    async def test_without_the_scope_of_a_service_is_good_for_nothing_there(self, app_with, ada):
        async with app_with(legacy(scopes=("calendar",))) as app, app.client(older(sub=str(ada))) as client:
            answer = await client.get("/me")

        assert (answer.status_code, answer.json()["code"]) == (403, "scope.missing")
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]

    async def test_is_refused_after_the_sunset(self, app_with, ada):
        ended = legacy(sunset=-timedelta(seconds=1))
        async with app_with(ended) as app, app.client(older(sub=str(ada))) as client:
            answer = await client.get("/me")

        assert (answer.status_code, answer.json()["code"]) == (401, "token.legacy_ended")

    async def test_is_another_algorithm_where_none_are_taken(self, auth_app, ada):
        async with auth_app.client(older(sub=str(ada))) as client:
            answer = await client.get("/me")

        assert (answer.status_code, answer.json()["code"]) == (401, "token.wrong_algorithm")

    async def test_that_names_an_address_is_refused_where_nobody_can_look_it_up(self, taking, ada):
        """As at the other services: they know users by id alone."""
        elsewhere = access_tokens(
            type(API)(service="profile", title="", head="", routers=()),
            taking.settings.model_copy(update={"legacy": legacy(scopes=("profile",))}),
            taking.database,
            keys=taking.resources.signing_keys,
            revoked=set(),
        )

        with pytest.raises(QuartetError) as refusal:
            await elsewhere.principal(older(sub=ADA))

        assert refusal.value.code == "token.legacy_subject"
        assert (await elsewhere.principal(older(sub=str(ada)))).user_id == ada

    async def test_is_introspected_as_what_it_may_still_do(self, taking, ada, client_of):
        """So a service that is shown an address learns the id."""
        chat = await client_of("chat", audiences={"auth"})

        async def introspected() -> dict[str, Any]:
            async with taking.client() as client:
                answer = await client.post(
                    f"{ROOT}/oauth/introspect",
                    data={"token": older(sub=ADA, roles=["admin"])},
                    auth=httpx.BasicAuth(*chat),
                )
            return answer.json()

        told = await introspected()

        assert told == {
            "active": True,
            "token_type": "Bearer",
            "sub": str(ada),
            "scope": "account",
            "exp": told["exp"],
        }


class TestUseOfOlderTokens:
    @pytest.fixture
    async def entries(self, superuser):
        async def entries() -> list[tuple[Any, ...]]:
            rows = await superuser.fetch("select action, actor, user_id from auth.audit_log order by id")
            return [tuple(row) for row in rows]

        return entries

    async def test_is_written_down_once_for_a_user_and_day(self, taking, app_with, ada, entries):
        tokens = [older(sub=str(ada)), older(sub=ADA), older(sub=ADA, iat=1)]
        async with app_with(legacy()) as another_process:
            for app in (taking, another_process):
                for token in tokens:
                    await app.app.state.access_tokens.principal(token)

        assert await entries() == [(ACTION, f"user:{ada}", ada)]

    async def test_is_written_down_again_the_next_day(self, taking, ada, entries):
        legacy_tokens = taking.app.state.access_tokens._legacy
        for day in (22, 22, 23):
            await legacy_tokens._used(ada, datetime(2026, 11, day, 10, tzinfo=UTC))

        assert len(await entries()) == 2

    async def test_that_is_refused_is_not_written_down(self, get_me, ada, entries):
        await get_me(sub=str(ada), exp=int(utc_now().timestamp()) - 1)
        await get_me(sub=str(new_id()), iat=int(utc_now().timestamp()) + 600)

        assert await entries() == []
