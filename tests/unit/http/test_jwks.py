import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from common.errors import Kind, QuartetError
from common.http.jwks import COOL_DOWN_SECONDS, FRESH_SECONDS, STALE_SECONDS, JwksKeys, read_jwks
from tests.support.waiting import eventually


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": kid})


KEY = new_key("first")
# trusts nobody, for nobody is asked: the usual one reads every authority of the system
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def jwks_of(*keys: ECKey) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


class Publisher:
    """auth's side: a key set that can change, and can be away."""

    def __init__(self, *keys: ECKey) -> None:
        self.keys = list(keys)
        self.away = False
        self.fetches = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.fetches += 1
        if self.away:
            raise httpx.ConnectError("away", request=request)
        return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})


class TestTheKeySet:
    @pytest.fixture
    def publisher(self) -> Publisher:
        return Publisher(KEY)

    @pytest.fixture
    def elapsed(self) -> list[float]:
        return [1000.0]

    @pytest.fixture
    async def jwks(self, publisher: Publisher, elapsed: list[float]) -> AsyncGenerator[JwksKeys]:
        opened = JwksKeys(
            "https://auth.internal/jwks",
            tls=TLS,
            transport=httpx.MockTransport(publisher),
            now=lambda: elapsed[0],
        )
        yield opened
        await opened.close()

    async def test_is_fetched_once_for_many(self, jwks: JwksKeys, publisher: Publisher):
        found = await asyncio.gather(*(jwks.key("first") for _ in range(20)))

        assert all(found)
        assert publisher.fetches == 1

    async def test_is_fetched_again_for_a_new_key(
        self, jwks: JwksKeys, publisher: Publisher, elapsed: list[float]
    ):
        await jwks.key("first")
        publisher.keys.append(new_key("second"))
        elapsed[0] += COOL_DOWN_SECONDS

        assert await jwks.key("second")

    async def test_is_fetched_once_for_many_with_a_new_key(
        self, jwks: JwksKeys, publisher: Publisher, elapsed: list[float]
    ):
        await jwks.key("first")
        publisher.keys.append(new_key("second"))
        elapsed[0] += COOL_DOWN_SECONDS

        found = await asyncio.gather(*(jwks.key("second") for _ in range(20)))

        assert all(found)
        assert publisher.fetches == 2

    async def test_is_left_alone_while_it_cools_down(self, jwks: JwksKeys, publisher: Publisher):
        await jwks.key("first")

        found = [await jwks.key(f"invented-{number}") for number in range(20)]

        assert found == [None] * 20
        assert publisher.fetches == 1

    async def test_serves_on_while_auth_is_away(
        self, jwks: JwksKeys, publisher: Publisher, elapsed: list[float]
    ):
        await jwks.key("first")
        publisher.away = True
        elapsed[0] += FRESH_SECONDS + 1

        assert await jwks.key("first")
        await eventually(lambda: publisher.fetches == 2)
        assert await jwks.key("first")

    async def test_drops_a_withdrawn_key_when_it_is_no_longer_fresh(
        self, jwks: JwksKeys, publisher: Publisher, elapsed: list[float]
    ):
        await jwks.key("first")
        publisher.keys[:] = [new_key("second")]
        elapsed[0] += FRESH_SECONDS + 1
        await jwks.key("first")

        async def is_gone() -> bool:
            return await jwks.key("first") is None

        assert await eventually(is_gone)

    async def test_says_nothing_of_a_new_key_while_auth_is_away(
        self, jwks: JwksKeys, publisher: Publisher, elapsed: list[float]
    ):
        await jwks.key("first")
        publisher.away = True
        elapsed[0] += COOL_DOWN_SECONDS

        for _ in range(2):
            with pytest.raises(QuartetError, match=r"token\.keys_unavailable"):
                await jwks.key("second")

        assert publisher.fetches == 2
        assert await jwks.key("first")

    @pytest.mark.parametrize("after", [0.0, STALE_SECONDS + 1])
    async def test_that_cannot_be_had_is_503(
        self, jwks: JwksKeys, publisher: Publisher, elapsed: list[float], after: float
    ):
        if after:
            await jwks.key("first")
        publisher.away = True
        elapsed[0] += after

        with pytest.raises(QuartetError) as refusal:
            await jwks.key("first")

        assert refusal.value.code == "token.keys_unavailable"
        assert refusal.value.kind is Kind.UNAVAILABLE

    @pytest.mark.parametrize(
        "jwk",
        [
            {"kty": "oct", "k": "c2VjcmV0", "kid": "first"},
            {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "first"},
            KEY.as_dict(private=False) | {"use": "enc"},
            KEY.as_dict(private=False) | {"alg": "ES384"},
        ],
    )
    async def test_holds_keys_for_access_tokens_only(self, jwk: dict[str, Any]):
        def publish(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"keys": [jwk]})

        jwks = JwksKeys("https://auth.internal/jwks", tls=TLS, transport=httpx.MockTransport(publish))

        with pytest.raises(QuartetError):
            await jwks.key("first")
        await jwks.close()


class TestAKeySetThatMakesNoSense:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\xff\xfe",
            b"<html>",
            b"null",
            b"[]",
            b"7",
            b"{}",
            b'{"keys": null}',
            b'{"keys": {}}',
            b'{"keys": "first"}',
            b'{"keys": [null, 7, "first", []]}',
            b"[" * 60_000,
            b'{"keys": [' + b" " * 70_000 + b"]}",
            b'{"keys": []}',
            json.dumps({"keys": [KEY.as_dict(private=False) | {"x": "AAAA"}]}).encode(),
            json.dumps({"keys": [KEY.as_dict(private=False) | {"x": "\u00e9"}]}).encode(),
            json.dumps({"keys": [KEY.as_dict(private=False) | {"x": None}]}).encode(),
            json.dumps({"keys": [KEY.as_dict(private=False) | {"y": 7}]}).encode(),
            json.dumps({"keys": [KEY.as_dict(private=False) | {"kid": ["first"]}]}).encode(),
            json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "kid": "first"}]}).encode(),
            json.dumps({"keys": [{"kty": ["EC"]}]}).encode(),
        ],
        ids=range(21),
    )
    async def test_takes_no_known_key_away(self, content: bytes):
        elapsed, published = [0.0], [jwks_of(KEY)]
        jwks = JwksKeys(
            "https://auth.internal/jwks",
            tls=TLS,
            transport=httpx.MockTransport(lambda _: httpx.Response(200, content=published[0])),
            now=lambda: elapsed[0],
        )
        await jwks.key("first")
        published[0] = content
        elapsed[0] += COOL_DOWN_SECONDS

        with pytest.raises(QuartetError, match=r"token\.keys_unavailable"):
            await jwks.key("second")

        assert await jwks.key("first")
        await jwks.close()

    async def test_by_one_of_its_keys_gives_the_others(self):
        broken = KEY.as_dict(private=False) | {"kid": "broken", "x": "AAAA"}
        found = read_jwks(json.dumps({"keys": [broken, None, KEY.as_dict(private=False)]}).encode())

        assert found.keys() == {"first"}

    async def test_by_two_keys_of_one_id_keeps_the_first(self):
        found = read_jwks(jwks_of(KEY, new_key("first")))

        assert found["first"].as_dict(private=False)["x"] == KEY.as_dict(private=False)["x"]

    @pytest.mark.parametrize("status", [204, 302, 404, 500])
    async def test_of_another_status_is_none(self, status: int):
        headers = {"Location": "https://evil.example/jwks"}

        def publish(request: httpx.Request) -> httpx.Response:
            assert request.url.host == "auth.internal"
            return httpx.Response(status, content=jwks_of(KEY) if status != 204 else b"", headers=headers)

        jwks = JwksKeys("https://auth.internal/jwks", tls=TLS, transport=httpx.MockTransport(publish))

        with pytest.raises(QuartetError, match=r"token\.keys_unavailable"):
            await jwks.key("first")
        await jwks.close()
