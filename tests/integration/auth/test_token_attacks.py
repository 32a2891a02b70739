"""Forged tokens before the running api: with its own keys, its database and every check on the way."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from joserfc.jwk import ECKey

from common.clock import utc_now
from common.ids import new_id
from common.settings import LegacySettings
from tests.support.auth_app import AuthApp, serving
from tests.support.oauth import ROOT, claims_of
from tests.support.tokens import LEGACY_SECRET, b64, encoded, hs256, new_key


@dataclass
class Forge:
    """What an attacker has: a good token, the published key, keys of their own; and what they hope for."""

    good: dict[str, Any]
    key: ECKey
    tokens: dict[str, Any]
    service: str
    retired: str

    def token(self, *, header: dict[str, Any] | None = None, key: ECKey | None = None, **claims: Any) -> str:
        members = {"alg": "ES256", "typ": "at+jwt", "kid": self.key.kid, **(header or {})}
        said = {**self.good, **claims}
        return encoded(
            {name: value for name, value in members.items() if value is not None},
            json.dumps({name: value for name, value in said.items() if value is not None}).encode(),
            key or self.key,
        )

    def with_header(self, header: bytes) -> str:
        return ".".join([b64(header), *self.token().split(".")[1:]])

    def with_signature(self, signature: bytes) -> str:
        return f"{self.token().rpartition('.')[0]}.{b64(signature)}"

    def with_payload(self, payload: bytes) -> str:
        return encoded({"alg": "ES256", "typ": "at+jwt", "kid": self.key.kid}, payload, self.key)

    def by_secret(self, secret: bytes, **header: Any) -> str:
        return hs256(self.good, secret, header={"typ": "at+jwt", "kid": self.key.kid, **header})

    @property
    def now(self) -> int:
        return int(utc_now().timestamp())


Attack = Callable[[Forge], str]
EVIL = new_key("evil")

ALGORITHMS = (
    *("none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES384", "ES512", "PS256", "EdDSA"),
    *(0, True, [], {}),
)
KIDS = (
    *("../../../../dev/null", "/dev/null", "file:///dev/null", "http://127.0.0.1/x", "%s%s%n", "{{7*7}}"),
    *(
        "' or '1'='1",
        "x'; select pg_sleep(9); --",
        "a\x00b",
        "\ud800",
        "a" * 10_000,
        ["a"],
        {"a": 1},
        7,
        True,
        "",
    ),
)

ATTACKS: dict[str, Attack] = {
    # the algorithm is chosen by the token
    **{f"alg {name!r}": lambda f, name=name: f.token(header={"alg": name}) for name in ALGORITHMS},
    "alg none and no signature": lambda f: f.token(header={"alg": "none"}).rpartition(".")[0] + ".",
    "alg missing": lambda f: f.token(header={"alg": None}),
    "alg twice": lambda f: f.with_header(
        b'{"alg":"none","typ":"at+jwt","kid":"%s","alg":"ES256"}' % f.key.kid.encode()
    ),
    "kid twice": lambda f: f.with_header(
        b'{"alg":"ES256","typ":"at+jwt","kid":"evil","kid":"%s"}' % f.key.kid.encode()
    ),
    # the published key as a secret
    "public key as a secret, PEM": lambda f: f.by_secret(f.key.as_pem(private=False)),
    "public key as a secret, PEM cut": lambda f: f.by_secret(f.key.as_pem(private=False).rstrip()),
    "public key as a secret, DER": lambda f: f.by_secret(f.key.as_der(private=False)),
    "public key as a secret, JWK": lambda f: f.by_secret(json.dumps(f.key.as_dict(private=False)).encode()),
    "public key as a secret, x": lambda f: f.by_secret(str(f.key.as_dict(private=False)["x"]).encode()),
    "public key as a secret, older shape": lambda f: hs256(f.good, f.key.as_pem(private=False)),
    "empty secret": lambda f: f.by_secret(b""),
    "empty secret, older shape": lambda f: hs256(f.good, b""),
    "secret of the older system, newer shape": lambda f: f.by_secret(LEGACY_SECRET.encode()),
    "secret of the older system, key id": lambda f: hs256(f.good, header={"kid": f.key.kid}),
    # the key is chosen by the token
    **{f"kid {name!r:.30}": lambda f, name=name: f.token(header={"kid": name}) for name in KIDS},
    "kid missing": lambda f: f.token(header={"kid": None}),
    "kid with NUL": lambda f: f.token(header={"kid": f"{f.key.kid}\x00"}),
    "own key under the published id": lambda f: f.token(key=EVIL),
    "own key under its own id": lambda f: f.token(key=EVIL, header={"kid": "evil"}),
    "own key in jwk": lambda f: f.token(key=EVIL, header={"jwk": EVIL.as_dict(private=False)}),
    "own key in jwk, no kid": lambda f: f.token(
        key=EVIL, header={"kid": None, "jwk": EVIL.as_dict(private=False)}
    ),
    **{f"{name} beside a good signature": lambda f, name=name: f.token(header={name: "https://evil.example/k"})
       for name in ("jku", "x5u", "x5t", "x5c", "jwk", "iss", "epk", "url")},
    "key that is retired": lambda f: f.retired,
    # the header says how to read
    "crit of a claim": lambda f: f.token(header={"crit": ["exp"], "exp": 1}),
    "crit empty": lambda f: f.token(header={"crit": []}),
    "b64 false": lambda f: f.token(header={"b64": False, "crit": ["b64"]}),
    "b64 false without crit": lambda f: f.token(header={"b64": False}),
    "zip": lambda f: f.token(header={"zip": "DEF"}),
    "cty": lambda f: f.token(header={"cty": "JWT"}),
    # another kind of token
    **{f"typ {name!r}": lambda f, name=name: f.token(header={"typ": name}) for name in
       ("JWT", "jwt", "id+jwt", "rt+jwt", "AT+JWT", "application/at+jwt", "", 7, ["at+jwt"], None)},
    "refresh token": lambda f: f.tokens["refresh_token"],
    "service token": lambda f: f.service,
    "session's id": lambda f: f.tokens["session_id"],
    # somebody else's
    **{f"iss {name!r}": lambda f, name=name: f.token(iss=name) for name in
       ("https://evil.example", "", None, 7, ["x"])},
    "iss with a slash more": lambda f: f.token(iss=f.good["iss"] + "/"),
    "iss as a list": lambda f: f.token(iss=[f.good["iss"]]),
    **{f"aud {name!r}": lambda f, name=name: f.token(aud=name) for name in
       ("auth", "calendar", "", None, 7, [], ["quartet", "auth"], {"quartet": 1}, "QUARTET")},
    # time
    "expired": lambda f: f.token(exp=f.now),
    "exp missing": lambda f: f.token(exp=None),
    **{f"exp {name!r}": lambda f, name=name: f.token(exp=name) for name in
       ("9999999999", True, 1e400, 9999999999.5, float("nan"), 10**400, -(10**30), [], {})},
    "exp beyond a float": lambda f: f.with_payload(json.dumps(f.good)[:-1].encode() + b', "exp": 1e400}'),
    "iat in the future": lambda f: f.token(iat=f.now + 60),
    "iat missing": lambda f: f.token(iat=None),
    "nbf in the future": lambda f: f.token(nbf=f.now + 60),
    "nbf as text": lambda f: f.token(nbf="0"),
    # claims
    **{f"sub {name!r}": lambda f, name=name: f.token(sub=name) for name in
       (None, "", "admin", 7, ["x"], {"id": 1}, "' or 1=1 --", "a@b.example", "\x00")},
    **{f"sid {name!r}": lambda f, name=name: f.token(sid=name) for name in (None, "", 7, ["x"], "none")},
    "roles as text": lambda f: f.token(roles="admin"),
    "scope as a list": lambda f: f.token(scope=["account"]),
    "payload a list": lambda f: f.with_payload(b"[]"),
    "payload text": lambda f: f.with_payload(b'"x"'),
    "payload null": lambda f: f.with_payload(b"null"),
    "payload that nests": lambda f: f.with_payload(b"[" * 1500),
    "payload no UTF-8": lambda f: f.with_payload(b'{"sub":"\xff"}'),
    "payload changed": lambda f: ".".join(
        [f.token().split(".")[0], b64(json.dumps({**f.good, "roles": ["admin"]}).encode()),
         f.token().split(".")[2]]
    ),
    # form
    "psychic signature": lambda f: f.with_signature(bytes(64)),
    "signature r = n, s = n": lambda f: f.with_signature(
        bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") * 2
    ),
    "signature of ones": lambda f: f.with_signature(b"\xff" * 64),
    "signature in DER": lambda f: f.with_signature(bytes.fromhex("3006020101020101")),
    "signature of zero in DER": lambda f: f.with_signature(bytes.fromhex("3006020100020100")),
    "signature empty": lambda f: f.with_signature(b""),
    "signature cut": lambda f: f.token()[:-2],
    "signature longer": lambda f: f.token() + "AAAA",
    "signature of another token": lambda f: ".".join(
        [*f.token(jti="x").split(".")[:2], f.token().split(".")[2]]
    ),
    "half": lambda f: f.token()[: len(f.token()) // 2],
    "two parts": lambda f: f.token().rpartition(".")[0],
    "four parts": lambda f: f.token() + ".AA",
    "five parts": lambda f: "e30.e30.e30.e30.e30",
    "dots": lambda f: "..",
    "padding": lambda f: f.token().replace(".", "=.", 1),
    "JSON serialisation": lambda f: json.dumps({"payload": "e30", "signatures": []}),
    "header of ten kilobytes": lambda f: f.with_header(b'{"alg":"ES256","x":"' + b"y" * 10_000 + b'"}'),
    "header that nests": lambda f: f.with_header(b"[" * 300),
    "header a number": lambda f: f.with_header(b"7"),
    "header with a BOM": lambda f: f.with_header(b"\xef\xbb\xbf" + b'{"alg":"ES256","typ":"at+jwt"}'),
    "twelve kilobytes": lambda f: "x" * 12_000 + ".y.z",
    "one letter": lambda f: "x",
}  # fmt: skip
"""Each gets a forge and gives a token that must open nothing."""

MEMBERS = {"type", "title", "status", "code", "detail", "instance", "request_id"}


@pytest.fixture(params=["older tokens are not taken", "older tokens are taken"])
async def app(request, auth_app: AuthApp, databases, redis_clients):
    if request.param == "older tokens are not taken":
        yield auth_app
        return
    legacy = LegacySettings.model_validate(
        {"secret": LEGACY_SECRET, "sunset": utc_now() + timedelta(days=1), "scopes": ("account",)}
    )
    settings = auth_app.settings.model_copy(update={"legacy": legacy})
    async with serving(settings, databases("auth", "api"), redis_clients("auth")) as taking:
        yield taking


@pytest.fixture
async def forge(auth_app: AuthApp, signed_in, client_of, superuser) -> Forge:
    tokens = await signed_in()
    client_id, secret = await client_of("chat", audiences={"auth"}, scopes={"account"})
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    async with auth_app.client() as client:
        service = (await client.post(f"{ROOT}/oauth/token", data=form)).json()["access_token"]
    key = await auth_app.resources.signing_keys.signing()
    assert key is not None
    good = claims_of(tokens["access_token"])
    retired = new_key("retired")
    await superuser.execute(
        "insert into auth.signing_keys (kid, public_jwk, state) values ('retired', $1, 'retired')",
        json.dumps(retired.as_dict(private=False)),
    )
    forge = Forge(good=good, key=key, tokens=tokens, service=service, retired="")
    forge.retired = forge.token(key=retired, header={"kid": "retired"})
    return forge


async def answers(app: AuthApp, forge: Forge) -> dict[str, httpx.Response]:
    async with app.client() as client:
        return {
            name: await client.get(
                "/me", headers={b"Authorization": b"Bearer " + attack(forge).encode("utf-8", "replace")}
            )
            for name, attack in ATTACKS.items()
        }


class TestForgedTokens:
    async def test_open_nothing_and_are_all_refused_in_the_same_shape(self, app, forge):
        found = await answers(app, forge)

        assert {name: answer.status_code for name, answer in found.items() if answer.status_code != 401} == {}
        assert {name for name, answer in found.items() if answer.json().keys() != MEMBERS} == set()
        assert {answer.json()["title"] for answer in found.values()} == {"Who is calling is not known"}
        assert {answer.headers["WWW-Authenticate"].split(",")[0] for answer in found.values()} == {
            'Bearer realm="quartet"'
        }
        assert {answer.json()["code"].partition(".")[0] for answer in found.values()} == {"token"}

    async def test_are_active_for_nobody_who_asks(self, app, forge, client_of):
        asking = await client_of("asking", audiences={"auth"})
        told = {}
        async with app.client() as client:
            for name in ATTACKS.keys() - {"service token"}:
                answer = await client.post(
                    f"{ROOT}/oauth/introspect",
                    data={"token": ATTACKS[name](forge).encode("utf-8", "replace").decode()},
                    auth=httpx.BasicAuth(*asking),
                )
                told[name] = answer.status_code, answer.json()

        assert {name: found for name, found in told.items() if found != (200, {"active": False})} == {}

    async def test_are_no_others(self, app, forge):
        """The table would prove nothing before a check that refuses everything."""
        async with app.client(forge.token()) as client:
            answer = await client.get("/me")

        assert (answer.status_code, UUID(answer.json()["id"])) == (200, UUID(forge.good["sub"]))

    async def test_in_the_name_of_somebody_else_s_session_reach_no_data(self, app, forge):
        """Signed with the real key: what is left then is that a stranger's id finds no account."""
        async with app.client(forge.token(sub=str(new_id()))) as client:
            answer = await client.get("/me")

        assert (answer.status_code, answer.json()["code"]) == (401, "account.gone")
