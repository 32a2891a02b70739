"""Every forgery that we know of, before a service that takes older tokens and before one that does not."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from common.errors import Kind, QuartetError
from common.http.legacy import LegacyTokens
from common.http.tokens import AccessTokens, ServiceTokens
from tests.support.tokens import (
    ISSUER,
    KEY,
    LEGACY_SECRET,
    NOW,
    Keys,
    b64,
    claims,
    encoded,
    hs256,
    new_key,
    older_claims,
    service_claims,
    token,
)

HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "first"}
PUBLIC = KEY.as_dict(private=False)
SOON = int((NOW + timedelta(minutes=5)).timestamp())


def with_header(header: bytes) -> str:
    """A good payload and signature behind another header."""
    _, payload, signature = token().split(".")
    return f"{b64(header)}.{payload}.{signature}"


def with_signature(signature: bytes) -> str:
    return f"{token().rpartition('.')[0]}.{b64(signature)}"


def with_payload(payload: bytes) -> str:
    return encoded(HEADER, payload, KEY)


def named(**changes: Any) -> str:
    return token(header=changes)


def by_public_key(secret: bytes, **header: Any) -> str:
    return hs256(claims(), secret, header={"kid": "first", "typ": "at+jwt", **header})


def padded() -> str:
    head, payload, signature = token().split(".")
    return f"{head}=.{payload}.{signature}"


def der_signature() -> str:
    """The other encoding of ECDSA signatures, which some libraries take as well."""
    return with_signature(bytes.fromhex("3006020101020101"))


ATTACKS: dict[str, Callable[[], str]] = {
    # the algorithm is chosen by the token
    "alg none without a signature": lambda: (
        with_header(b'{"alg":"none","typ":"at+jwt"}').rpartition(".")[0] + "."
    ),
    "alg none": lambda: named(alg="none"),
    "alg None": lambda: named(alg="None"),
    "alg nOnE": lambda: named(alg="nOnE"),
    "alg empty": lambda: named(alg=""),
    "alg null": lambda: named(alg=None),
    "alg as a list": lambda: named(alg=["ES256", "none"]),
    "alg twice": lambda: with_header(b'{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"first"}'),
    "alg ES384": lambda: named(alg="ES384"),
    "alg RS256": lambda: named(alg="RS256"),
    "alg HS256 over an ES256 signature": lambda: named(alg="HS256"),
    "alg missing": lambda: with_header(b'{"typ":"at+jwt","kid":"first"}'),
    # the public key as a secret
    "public key as a secret: PEM": lambda: by_public_key(KEY.as_pem(private=False)),
    "public key as a secret: PEM without its last newline": lambda: by_public_key(
        KEY.as_pem(private=False).rstrip()
    ),
    "public key as a secret: DER": lambda: by_public_key(KEY.as_der(private=False)),
    "public key as a secret: JWK": lambda: by_public_key(json.dumps(PUBLIC).encode()),
    "public key as a secret, as an older token": lambda: hs256(older_claims(), KEY.as_pem(private=False)),
    # the key is chosen by the token
    "kid of nobody": lambda: named(kid="second"),
    "kid as a path": lambda: named(kid="../../../../dev/null"),
    "kid as SQL": lambda: named(kid="' union select 'secret' --"),
    "kid with NUL": lambda: named(kid="first\x00"),
    "kid of ten kilobytes": lambda: named(kid="x" * 10_000),
    "kid as a list": lambda: named(kid=["first"]),
    "kid as a number": lambda: named(kid=1),
    "kid missing": lambda: with_header(b'{"alg":"ES256","typ":"at+jwt"}'),
    "kid empty, signed with an empty secret": lambda: hs256(older_claims(), b"", header={"kid": ""}),
    "jku": lambda: named(jku="https://evil.example/jwks.json"),
    "x5u": lambda: named(x5u="https://evil.example/cert.pem"),
    "x5c": lambda: named(x5c=[base64.b64encode(b"certificate").decode()]),
    "jwk": lambda: token(key=new_key("first"), header={"jwk": new_key("first").as_dict(private=False)}),
    "another key of the same id": lambda: token(key=new_key("first")),
    # the header says how to read
    "crit": lambda: named(crit=["exp"], exp=SOON),
    "b64 false": lambda: named(crit=["b64"], b64=False),
    "zip": lambda: named(zip="DEF"),
    "cty": lambda: named(cty="JWT"),
    # another kind of token
    "typ missing": lambda: with_header(b'{"alg":"ES256","kid":"first"}'),
    "typ JWT": lambda: named(typ="JWT"),
    "typ of an ID token": lambda: named(typ="id+jwt"),
    "typ of a refresh token": lambda: named(typ="rt+jwt"),
    "typ in capitals": lambda: named(typ="AT+JWT"),
    "a service's token": lambda: token(service_claims()),
    "a service's token that names this audience": lambda: token(service_claims(aud="quartet")),
    # somebody else's
    "another issuer": lambda: token(claims(iss="https://evil.example")),
    "issuer with a slash more": lambda: token(claims(iss=ISSUER + "/")),
    "issuer as a list": lambda: token(claims(iss=[ISSUER])),
    "issuer missing": lambda: token(claims(iss=None)),
    "another audience": lambda: token(claims(aud="calendar")),
    "two audiences": lambda: token(claims(aud=["quartet", "calendar"])),
    "audience missing": lambda: token(claims(aud=None)),
    # time
    "expired": lambda: token(claims(exp=int(NOW.timestamp()))),
    "no expiry": lambda: token(claims(exp=None)),
    "expiry as text": lambda: token(claims(exp=str(SOON))),
    "expiry true": lambda: token(claims(exp=True)),
    "expiry not a number": lambda: with_payload(json.dumps(claims(exp=float("nan"))).encode()),
    "expiry infinite": lambda: with_payload(json.dumps(claims()).replace("}", ', "exp": 1e999}').encode()),
    "expiry beyond all calendars": lambda: token(claims(exp=10**18)),
    "expiry of a thousand digits": lambda: token(claims(exp=10**1000)),
    "from the future": lambda: token(claims(iat=SOON)),
    "not before the future": lambda: token(claims(nbf=SOON)),
    "no moment of issue": lambda: token(claims(iat=None)),
    # claims
    "no subject": lambda: token(claims(sub=None)),
    "subject that is no id": lambda: token(claims(sub="admin")),
    "subject as an object": lambda: token(claims(sub={"id": 1})),
    "no session": lambda: token(claims(sid=None)),
    "roles as text": lambda: token(claims(roles="admin")),
    "roles of numbers": lambda: token(claims(roles=[1])),
    "scope as a list": lambda: token(claims(scope=["read"])),
    "payload that is a list": lambda: with_payload(b"[]"),
    "payload that is no JSON": lambda: with_payload(b"{"),
    "payload that is no UTF-8": lambda: with_payload(b'{"sub": "\xff"}'),
    "payload that nests": lambda: with_payload(b"[" * 2_500),
    "payload changed": lambda: ".".join(
        [token().split(".")[0], b64(json.dumps(claims(roles=["admin"])).encode()), token().split(".")[2]]
    ),
    # form
    "no signature": lambda: with_signature(b""),
    "a signature of zeros": lambda: with_signature(bytes(64)),
    "a signature of ones": lambda: with_signature(b"\xff" * 64),
    "a signature cut short": lambda: token()[:-4],
    "a signature in DER": der_signature,
    "two parts": lambda: token().rpartition(".")[0],
    "four parts": lambda: token() + ".AA",
    "five parts, encrypted": lambda: "e30.e30.e30.e30.e30",
    "the first half": lambda: token()[: len(token()) // 2],
    "padding": padded,
    "a newline inside": lambda: token().replace(".", ".\n", 1),
    "a space in front": lambda: " " + token(),
    "JSON serialisation": lambda: json.dumps({"payload": "e30", "signatures": [{"protected": "e30"}]}),
    "header of ten kilobytes": lambda: with_header(json.dumps(HEADER | {"x": "y" * 10_000}).encode()),
    "header that nests": lambda: with_header(b"[" * 300),
    "header that is a number": lambda: with_header(b"7"),
    "a hundred kilobytes": lambda: "x" * 50_000 + "." + "y" * 50_000 + ".z",
    "letters of other alphabets": lambda: token().replace("e", "е"),
    "nothing": lambda: "",
    "dots": lambda: "..",
    # an older token that is more than one
    "an older token with a key id": lambda: hs256(older_claims(), header={"kid": "first"}),
    "an older token of the newer type": lambda: hs256(claims(), header={"typ": "at+jwt"}),
    "a newer token signed with the older secret": lambda: hs256(
        claims(), header={"typ": "at+jwt", "kid": "first"}
    ),
    "an older token under HS512": lambda: hs256(older_claims(), header={"alg": "HS512"}),
    "an older token with an empty secret": lambda: hs256(older_claims(), b""),
    "an older token with no algorithm": lambda: hs256(older_claims(), header={"alg": "none"}),
}
SERVICE_ATTACKS: dict[str, Callable[[], str]] = {
    "a user's token": token,
    "a user's token for this audience": lambda: token(claims(aud="calendar")),
    "a session's token that names a client": lambda: token(
        service_claims(sid="01890000-0000-7000-8000-000000000000")
    ),
    "another service's": lambda: token(service_claims(aud="profile")),
    "everybody's": lambda: token(service_claims(aud=["calendar", "quartet"])),
    "one client in the name of another": lambda: token(service_claims(sub="auth")),
    "no client": lambda: token(service_claims(client_id=None)),
    "an empty client": lambda: token(service_claims(client_id="", sub="")),
    "an older token": lambda: hs256(older_claims()),
    "an older token for this audience": lambda: hs256(service_claims()),
    "expired": lambda: token(service_claims(exp=int(NOW.timestamp()))),
}


@pytest.fixture(params=["older tokens are taken", "older tokens are not taken"])
def tokens(request: pytest.FixtureRequest) -> AccessTokens:
    legacy = LegacyTokens(LEGACY_SECRET, sunset=NOW + timedelta(days=30))
    return AccessTokens(
        issuer=ISSUER,
        audience="quartet",
        keys=Keys(KEY),
        revoked=set(),
        legacy=legacy if request.param == "older tokens are taken" else None,
        clock=lambda: NOW,
    )


class TestAForgedToken:
    @pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
    async def test_is_refused(self, tokens: AccessTokens, attack: Callable[[], str]):
        with pytest.raises(QuartetError) as refusal:
            await tokens.principal(attack())

        assert refusal.value.kind is Kind.UNAUTHENTICATED
        assert refusal.value.code.startswith("token.")

    @pytest.mark.parametrize("attack", SERVICE_ATTACKS.values(), ids=SERVICE_ATTACKS.keys())
    async def test_is_no_service(self, attack: Callable[[], str]):
        tokens = ServiceTokens(issuer=ISSUER, service="calendar", keys=Keys(KEY), clock=lambda: NOW)

        with pytest.raises(QuartetError) as refusal:
            await tokens.principal(attack())

        assert refusal.value.kind is Kind.UNAUTHENTICATED

    async def test_is_the_only_one_that_is(self, tokens: AccessTokens):
        """The table would prove nothing before a check that refuses everything."""
        assert await tokens.principal(token())

    async def test_says_nothing_of_itself_in_the_refusal(self, tokens: AccessTokens):
        with pytest.raises(QuartetError) as refusal:
            await tokens.principal(token(claims(iss="https://evil.example")))

        assert "evil" not in str(refusal.value)
