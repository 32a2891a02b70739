import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from common.errors import Kind, QuartetError
from common.http.jwks import COOL_DOWN_SECONDS, FRESH_SECONDS, STALE_SECONDS, JwksKeys
from tests.support.waiting import eventually


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": kid})


KEY = new_key("first")


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
            "https://auth.internal/jwks", transport=httpx.MockTransport(publisher), now=lambda: elapsed[0]
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

        jwks = JwksKeys("https://auth.internal/jwks", transport=httpx.MockTransport(publish))

        with pytest.raises(QuartetError):
            await jwks.key("first")
        await jwks.close()
