"""Service tokens, revocation and introspection, as another service or anybody asks for them."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from common.http.signed import read_header
from common.http.tokens import ServiceTokens
from tests.support.auth_app import AuthApp
from tests.support.oauth import ROOT, ClientOf, claims_of
from tests.support.waiting import eventually

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def chat(client_of: ClientOf) -> tuple[str, str]:
    """May call auth and calendar, there to read."""
    return await client_of("chat", audiences={"auth", "calendar"}, scopes={"credentials:read", "events:read"})


@pytest.fixture
async def http(auth_app: AuthApp):
    async with auth_app.client() as client:
        client.base_url = httpx.URL(ROOT)
        yield client


@pytest.fixture
def ask(http: httpx.AsyncClient) -> Ask:
    async def ask(**form: str) -> httpx.Response:
        return await http.post("/oauth/token", data={"grant_type": "client_credentials", **form})

    return ask


@pytest.fixture
def granted(http, chat) -> Callable[..., Awaitable[str]]:
    async def granted(**form: str) -> str:
        form = {"grant_type": "client_credentials", "audience": "calendar", **form}
        answer = await http.post("/oauth/token", data=form, auth=httpx.BasicAuth(*chat))
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    return granted


@pytest.fixture
def introspected(http, chat) -> Callable[[str], Awaitable[dict[str, Any]]]:
    async def introspected(token: str) -> dict[str, Any]:
        answer = await http.post("/oauth/introspect", data={"token": token}, auth=httpx.BasicAuth(*chat))
        assert answer.status_code == 200, answer.text
        return answer.json()

    return introspected


class TestAServiceToken:
    async def test_is_good_at_the_service_it_is_for(self, auth_app, granted):
        token = await granted(audience="calendar")

        calendar = ServiceTokens(
            issuer=auth_app.settings.token.issuer, service="calendar", keys=auth_app.resources.signing_keys
        )
        principal = await calendar.principal(token)
        assert (principal.client_id, principal.scopes) == ("chat", {"credentials:read", "events:read"})

    async def test_is_short_lived_and_of_the_type_of_access_tokens(self, granted):
        token = await granted()

        claims = claims_of(token)
        assert read_header(token)["typ"] == "at+jwt"
        assert claims["exp"] - claims["iat"] == 300
        assert {"client_id": "chat", "sub": "chat", "aud": "calendar"}.items() <= claims.items()
        assert "sid" not in claims

    async def test_carries_less_when_less_is_asked_for(self, granted):
        assert claims_of(await granted(scope="events:read"))["scope"] == "events:read"

    async def test_needs_no_audience_where_there_is_but_one(self, ask, client_of):
        client_id, secret = await client_of("export", audiences={"profile"})

        answer = await ask(client_id=client_id, client_secret=secret)

        assert claims_of(answer.json()["access_token"])["aud"] == "profile"

    async def test_is_told_with_what_it_is_good_for(self, ask, chat):
        client_id, secret = chat
        answer = await ask(client_id=client_id, client_secret=secret, audience="auth", scope="events:read")

        told = answer.json()
        assert told.keys() == {"access_token", "token_type", "expires_in", "scope"}
        assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 300, "events:read")
        assert answer.headers["Cache-Control"] == "no-store"

    async def test_is_no_user_s(self, auth_app, granted):
        async with auth_app.client(await granted(audience="auth")) as client:
            answer = await client.get("/me")

        assert (answer.status_code, answer.json()["code"]) == (401, "token.wrong_audience")


class TestAClient:
    async def test_may_encode_its_secret_in_the_header(self, http, client_of):
        client_id, secret = await client_of("chat", audiences={"auth"})
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
        headers = {"Authorization": f"basic {base64.b64encode(pair).decode()}"}

        answer = await http.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=headers)

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("client_id", "secret"),
        [
            ("chat", "qcs1_wrong"),
            ("nobody", "qcs1_wrong"),
            ("chat", ""),
            ("chat' or '1'='1", "qcs1_wrong"),
            ("chat\x00", "qcs1_wrong"),
            ("x" * 5000, "qcs1_wrong"),
            ("сhat", "qcs1_wrong"),
        ],
    )
    async def test_of_another_secret_is_refused_as_one_that_nobody_knows(self, http, chat, client_id, secret):
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}

        answer = await http.post("/oauth/token", data=form)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["error"] == "invalid_client"
        assert answer.json()["error_description"] == answer.json()["detail"]

    @pytest.mark.parametrize(
        "header",
        ["Basic", "Basic !!!", "Basic Y2hhdA==", "Bearer Y2hhdDp4", "Basic /////w==", "Basic Y2hhdDolZmY="],
    )
    async def test_whose_header_cannot_be_read_is_refused(self, http, chat, header):
        answer = await http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header}
        )

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    async def test_that_is_disabled_is_refused_at_once(self, ask, chat, disable, introspected, granted):
        client_id, secret = chat
        await disable(client_id)

        answer = await ask(client_id=client_id, client_secret=secret, audience="auth")

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    @pytest.mark.parametrize(
        ("form", "error"),
        [
            ({"grant_type": ""}, "invalid_request"),
            ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
            ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
            ({"grant_type": "refresh_token", "refresh_token": "x"}, "unsupported_grant_type"),
            ({"audience": "quartet"}, "invalid_target"),
            ({"audience": "profile"}, "invalid_target"),
            ({"audience": ""}, "invalid_target"),
            ({"audience": "auth calendar"}, "invalid_target"),
            ({"audience": "auth", "scope": "events:write"}, "invalid_scope"),
            ({"audience": "auth", "scope": "events:read account"}, "invalid_scope"),
        ],
    )
    async def test_that_asks_for_more_than_it_may_is_told_so(self, http, chat, form, error):
        form = {"grant_type": "client_credentials", "audience": "auth", **form}

        answer = await http.post("/oauth/token", data=form, auth=httpx.BasicAuth(*chat))

        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert answer.json()["code"] == f"oauth.{error}"

    async def test_that_shows_its_secret_in_two_places_is_refused(self, http, chat):
        client_id, secret = chat
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}

        answer = await http.post("/oauth/token", data=form, auth=httpx.BasicAuth(*chat))

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    @pytest.mark.parametrize(
        ("content", "media_type"),
        [
            (b"grant_type=client_credentials&grant_type=password", "application/x-www-form-urlencoded"),
            (b"grant_type=%ff", "application/x-www-form-urlencoded"),
            (b"\xff\xfe", "application/x-www-form-urlencoded"),
            (b"&".join(b"f%d=1" % index for index in range(50)), "application/x-www-form-urlencoded"),
            (b"grant_type=client_credentials", "text/plain"),
            (b'{"grant_type": "client_credentials"}', "application/json"),
        ],
    )
    async def test_whose_form_can_be_read_in_two_ways_is_refused(self, http, chat, content, media_type):
        answer = await http.post(
            "/oauth/token",
            content=content,
            headers={"Content-Type": media_type},
            auth=httpx.BasicAuth(*chat),
        )

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    async def test_whose_form_is_huge_is_refused(self, http):
        answer = await http.post("/oauth/token", data={"grant_type": "x" * 20_000})

        assert (answer.status_code, answer.json()["code"]) == (413, "body.too_large")


class TestRevocation:
    @pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
    async def test_ends_the_session_of_a_token_for_whoever_holds_it(self, auth_app, http, signed_in, kind):
        tokens = await signed_in()

        answer = await http.post("/oauth/revoke", data={"token": tokens[kind]})

        assert (answer.status_code, answer.content) == (200, b"")
        async with auth_app.client() as client:
            again = await client.post("/token/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert again.status_code == 401

    async def test_is_known_everywhere_within_a_second(self, auth_app, http, signed_in):
        tokens = await signed_in()
        async with auth_app.client(tokens["access_token"]) as client:
            before = await client.get("/me")
            await http.post("/oauth/revoke", data={"token": tokens["access_token"]})

            async def refused() -> bool:
                return (await client.get("/me")).status_code == 401

            # on a machine that does nothing else
            await eventually(refused, within=3.0)

        assert before.status_code == 200

    @pytest.mark.parametrize("token", ["nonsense", "a.b.c", "qrt1_" + "A" * 100, "x" * 10_000, "Ж"])
    async def test_of_a_token_that_nobody_knows_is_no_error(self, http, token):
        assert (await http.post("/oauth/revoke", data={"token": token})).status_code == 200

    async def test_of_a_service_s_token_is_told_to_do_nothing(self, http, granted):
        answer = await http.post("/oauth/revoke", data={"token": await granted()})

        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")

    async def test_by_a_client_of_another_secret_is_refused(self, http, chat, signed_in):
        tokens = await signed_in()
        form = {"token": tokens["refresh_token"]}

        answer = await http.post("/oauth/revoke", data=form, auth=httpx.BasicAuth("chat", "qcs1_wrong"))

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    async def test_needs_a_token(self, http):
        answer = await http.post("/oauth/revoke", data={"token": ""})

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


class TestIntrospection:
    async def test_tells_what_an_active_token_says(self, signed_in, introspected):
        tokens = await signed_in()

        told = await introspected(tokens["access_token"])

        assert told["active"] is True
        assert (told["sid"], told["aud"], told["token_type"]) == (tokens["session_id"], "quartet", "Bearer")
        assert told.keys() >= {"iss", "sub", "exp", "iat", "jti", "scope", "roles", "auth_time", "amr"}

    async def test_tells_of_a_service_s_token(self, granted, introspected):
        told = await introspected(await granted())

        assert (told["active"], told["client_id"], told["aud"]) == (True, "chat", "calendar")

    @pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
    async def test_knows_the_end_of_a_session_at_once(self, http, signed_in, introspected, kind):
        tokens = await signed_in()
        await http.post("/oauth/revoke", data={"token": tokens[kind]})

        assert await introspected(tokens["access_token"]) == {"active": False}

    async def test_knows_a_closed_account_at_once(self, signed_in, introspected, superuser):
        tokens = await signed_in()
        await superuser.execute("update auth.users set is_active = false")

        assert await introspected(tokens["access_token"]) == {"active": False}

    async def test_tells_the_roles_of_this_moment(self, signed_in, introspected, superuser):
        tokens = await signed_in()
        await superuser.execute("update auth.users set role = 'staff'")

        assert (await introspected(tokens["access_token"]))["roles"] == ["staff"]

    async def test_knows_a_disabled_client_at_once(self, granted, http, client_of, disable):
        other = await client_of("other", audiences={"auth"})
        token = await granted()
        await disable("chat")

        answer = await http.post("/oauth/introspect", data={"token": token}, auth=httpx.BasicAuth(*other))

        assert answer.json() == {"active": False}

    async def test_of_a_refresh_token_tells_nothing(self, signed_in, introspected):
        tokens = await signed_in()

        assert await introspected(tokens["refresh_token"]) == {"active": False}

    @pytest.mark.parametrize("token", ["nonsense", "a.b.c", "x" * 10_000, "Ж", "e30.e30."])
    async def test_of_what_was_never_issued_tells_nothing(self, introspected, token):
        assert await introspected(token) == {"active": False}

    async def test_is_for_services_only(self, http, signed_in):
        tokens = await signed_in()
        form = {"token": tokens["access_token"]}

        answers = [
            await http.post("/oauth/introspect", data=form),
            await http.post(
                "/oauth/introspect", data=form, headers={"Authorization": f"Bearer {tokens['access_token']}"}
            ),
        ]

        assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {
            (401, "invalid_client")
        }


class TestDiscovery:
    async def test_tells_where_everything_is(self, http, auth_app):
        answer = await http.get("/.well-known/openid-configuration")

        told = answer.json()
        issuer = auth_app.settings.token.issuer
        assert told["issuer"] == issuer
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint"):
            asked = await http.post(told[name].removeprefix(issuer), data={"token": "x"})
            assert asked.status_code in {200, 401}

    async def test_leads_to_the_keys_that_sign(self, http, auth_app, granted):
        told = (await http.get("/.well-known/openid-configuration")).json()

        answer = await http.get(told["jwks_uri"].removeprefix(auth_app.settings.token.issuer))

        kids = {key["kid"] for key in answer.json()["keys"]}
        assert read_header(await granted())["kid"] in kids
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        assert all("d" not in key for key in answer.json()["keys"])
