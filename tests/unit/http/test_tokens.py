import hmac
import json
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter

from common.errors import Kind, QuartetError
from common.http.app import create_app
from common.http.permissions import CurrentUser
from common.http.tokens import AccessTokens
from tests.support.listening import client_of
from tests.support.tokens import ISSUER, KEY, NOW, Keys, b64, claims, encoded, new_key, token


class Moment:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def keys() -> Keys:
    return Keys(KEY)


@pytest.fixture
def revoked() -> set[UUID]:
    return set()


@pytest.fixture
def tokens(keys: Keys, revoked: set[UUID], moment: Moment) -> AccessTokens:
    return AccessTokens(issuer=ISSUER, audience="quartet", keys=keys, revoked=revoked, clock=moment)


async def code_of(tokens: AccessTokens, presented: str) -> str:
    with pytest.raises(QuartetError) as refusal:
        await tokens.principal(presented)
    assert refusal.value.kind is Kind.UNAUTHENTICATED
    return refusal.value.code


class TestAnAccessToken:
    async def test_says_who_is_calling(self, tokens: AccessTokens):
        said = claims(roles=["admin"], scope="read write")

        principal = await tokens.principal(token(said))

        assert str(principal.user_id) == said["sub"]
        assert str(principal.session_id) == said["sid"]
        assert principal.roles == {"admin"}
        assert principal.scopes == {"read", "write"}
        assert principal.expires_at == NOW + timedelta(minutes=10)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"iss": "https://other.example"}, "token.wrong_issuer"),
            ({"iss": None}, "token.wrong_issuer"),
            ({"aud": "chat"}, "token.wrong_audience"),
            ({"aud": ["chat"]}, "token.wrong_audience"),
            ({"exp": int(NOW.timestamp())}, "token.expired"),
            ({"exp": None}, "token.malformed"),
            ({"exp": True}, "token.malformed"),
            ({"exp": 10**30}, "token.malformed"),
            ({"iat": int(NOW.timestamp()) + 60}, "token.not_yet_valid"),
            ({"nbf": int(NOW.timestamp()) + 60}, "token.not_yet_valid"),
            ({"sub": "nobody"}, "token.malformed"),
            ({"sub": 7}, "token.malformed"),
            ({"sid": None}, "token.malformed"),
            ({"roles": "admin"}, "token.malformed"),
        ],
    )
    async def test_with_other_claims_is_refused(
        self, tokens: AccessTokens, changes: dict[str, Any], code: str
    ):
        assert await code_of(tokens, token(claims(**changes))) == code

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            ({"alg": "none"}, "token.wrong_algorithm"),
            ({"alg": "None"}, "token.wrong_algorithm"),
            ({"alg": "HS256"}, "token.wrong_algorithm"),
            ({"alg": "ES384"}, "token.wrong_algorithm"),
            ({"alg": ["ES256"]}, "token.wrong_algorithm"),
            ({"typ": "JWT"}, "token.wrong_type"),
            ({"kid": "../../dev/null"}, "token.unknown_key"),
            ({"kid": ["first"]}, "token.malformed"),
            ({"kid": "x" * 10_000}, "token.malformed"),
            ({"jku": "https://evil.example/jwks"}, "token.malformed"),
            ({"crit": ["b64"], "b64": False}, "token.malformed"),
        ],
    )
    async def test_with_another_header_is_refused(
        self, tokens: AccessTokens, header: dict[str, Any], code: str
    ):
        assert await code_of(tokens, token(header=header)) == code

    async def test_signed_with_the_public_key_as_a_secret_is_refused(self, tokens: AccessTokens):
        header = b64(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": "first"}).encode())
        signed = f"{header}.{b64(json.dumps(claims()).encode())}"
        signature = hmac.digest(KEY.as_pem(private=False), signed.encode(), "sha256")

        assert await code_of(tokens, f"{signed}.{b64(signature)}") == "token.wrong_algorithm"

    async def test_signed_by_another_key_of_the_same_id_is_refused(self, tokens: AccessTokens):
        assert await code_of(tokens, token(key=new_key("first"))) == "token.bad_signature"

    async def test_with_two_algorithms_in_one_header_is_refused(self, tokens: AccessTokens):
        _, payload, signature = token().split(".")
        header = b64(b'{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"first"}')

        assert await code_of(tokens, f"{header}.{payload}.{signature}") == "token.malformed"

    @pytest.mark.parametrize(
        "presented",
        [
            "",
            "a",
            "a.b.c",
            "..",
            "é.é.é",
            "x" * 5_000,
            b64(b"[" * 300) + ".e30.AA",
            "e30.e30.",
            b64(b"7") + ".e30.AA",
        ],
    )
    async def test_that_is_none_is_refused(self, tokens: AccessTokens, presented: str):
        assert await code_of(tokens, presented) in {"token.malformed", "token.wrong_algorithm"}

    async def test_whose_claims_nest_too_deeply_is_refused(self, tokens: AccessTokens):
        header = {"alg": "ES256", "typ": "at+jwt", "kid": "first"}

        assert await code_of(tokens, encoded(header, b"[" * 2_000, KEY)) == "token.malformed"


class TestARememberedToken:
    async def test_is_not_verified_again(self, tokens: AccessTokens, keys: Keys):
        presented = token()

        first = await tokens.principal(presented)
        again = await tokens.principal(presented)

        assert first == again
        assert keys.asked == 1

    async def test_is_refused_once_its_session_ended(self, tokens: AccessTokens, revoked: set[UUID]):
        presented = token()
        principal = await tokens.principal(presented)

        revoked.add(principal.session_id)

        assert await code_of(tokens, presented) == "token.revoked"

    async def test_is_refused_once_it_expired(self, tokens: AccessTokens, moment: Moment):
        presented = token(claims(exp=int(NOW.timestamp()) + 30))
        await tokens.principal(presented)

        moment.now += timedelta(seconds=30)

        assert await code_of(tokens, presented) == "token.expired"

    async def test_is_forgotten_after_a_minute(self, tokens: AccessTokens, keys: Keys, moment: Moment):
        presented = token()
        await tokens.principal(presented)
        keys.keys.clear()

        moment.now += timedelta(seconds=61)

        assert await code_of(tokens, presented) == "token.unknown_key"


class TestARoute:
    @pytest.fixture
    async def client(self, tokens: AccessTokens) -> AsyncGenerator[httpx.AsyncClient]:
        router = APIRouter()

        @router.get("/me")
        async def get_me(user: CurrentUser) -> UUID:
            return user.user_id

        app = create_app(title="Me", service="me", routers=[router])
        app.state.access_tokens = tokens
        async with client_of(app, prefix="/api/v1/me") as opened:
            yield opened

    async def test_knows_its_user(self, client: httpx.AsyncClient):
        said = claims()

        answer = await client.get("/me", headers={"Authorization": f"bearer {token(said)}"})

        assert answer.json() == said["sub"]

    @pytest.mark.parametrize("header", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}])
    async def test_asks_for_a_token(self, client: httpx.AsyncClient, header: dict[str, str]):
        answer = await client.get("/me", headers=header)

        assert (answer.status_code, answer.json()["code"]) == (401, "token.missing")
        assert answer.headers["www-authenticate"] == 'Bearer realm="quartet"'

    async def test_says_what_is_wrong_with_a_token(self, client: httpx.AsyncClient):
        answer = await client.get("/me", headers={"Authorization": "Bearer abc"})

        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    async def test_is_documented_with_its_scheme(self, client: httpx.AsyncClient):
        schema = (await client.get("/openapi.json")).json()

        assert schema["paths"]["/api/v1/me/me"]["get"]["security"] == [{"access_token": []}]
