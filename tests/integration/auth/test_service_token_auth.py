"""How one service calls another: with a token of its own, from the real endpoint."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter

from auth_service.usecases.rotate_signing_keys import replace_signing_keys
from common.clock import utc_now
from common.errors import QuartetError
from common.http.app import create_app
from common.http.permissions import CurrentService
from common.http.service_tokens import ServiceTokenAuth
from common.http.tokens import ServiceTokens
from common.ids import new_id
from common.postgres.context import Context
from tests.support.auth_app import AuthApp
from tests.support.oauth import ROOT

router = APIRouter()


@router.get("/internal/v1/caller")
async def get_caller(service: CurrentService) -> str:
    return service.client_id


class Counting(httpx.AsyncBaseTransport):
    """The way to auth, which can be cut."""

    def __init__(self, auth_app: AuthApp) -> None:
        self._to = httpx.ASGITransport(auth_app.app)
        self.asked = 0
        self.cut = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.cut:
            raise httpx.ConnectError("cut", request=request)
        return await self._to.handle_async_request(request)


@pytest.fixture
def way(auth_app: AuthApp) -> Counting:
    return Counting(auth_app)


@pytest.fixture
def elapsed() -> list[float]:
    return [1000.0]


@pytest.fixture
async def token_auth(way, client_of, elapsed) -> AsyncIterator[ServiceTokenAuth]:
    client_id, secret = await client_of("chat", audiences={"calendar"})
    async with httpx.AsyncClient(transport=way, base_url=ROOT) as to_auth:
        yield ServiceTokenAuth(
            to_auth, client_id=client_id, secret=secret, audience="calendar", monotonic=lambda: elapsed[0]
        )


@pytest.fixture
async def calendar(auth_app: AuthApp, token_auth) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(title="Calendar", service="calendar", root_routers=[router], documented=False)
    app.state.service_tokens = ServiceTokens(
        issuer=auth_app.settings.token.issuer, service="calendar", keys=auth_app.resources.signing_keys
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://calendar.test", auth=token_auth
    ) as client:
        yield client


@pytest.fixture
def keys_are_replaced(auth_app, databases):
    async def keys_are_replaced() -> None:
        cipher = auth_app.settings.keys.cipher(auth_app.settings.environment)
        async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as tx:
            await replace_signing_keys(tx, cipher, now=utc_now(), new_id=new_id)
        # as if the process had looked for the active key again
        auth_app.resources.signing_keys._signing = None

    return keys_are_replaced


class TestAServiceThatCallsAnother:
    async def test_is_known_there_by_name(self, calendar):
        answer = await calendar.get("/internal/v1/caller")

        assert (answer.status_code, answer.json()) == (200, "chat")

    async def test_asks_for_its_token_once(self, calendar, way):
        await asyncio.gather(*(calendar.get("/internal/v1/caller") for _ in range(20)))
        await calendar.get("/internal/v1/caller")

        assert way.asked == 1

    async def test_asks_anew_before_its_token_ends(self, token_auth, way, elapsed):
        await token_auth.token()
        elapsed[0] += 239
        await token_auth.token()
        asked_before = way.asked
        elapsed[0] += 2
        await token_auth.token()

        assert (asked_before, way.asked) == (1, 2)

    async def test_asks_anew_when_its_token_is_refused(self, calendar, token_auth, keys_are_replaced):
        former = await token_auth.token()
        await keys_are_replaced()

        answer = await calendar.get("/internal/v1/caller")

        assert answer.status_code == 200
        assert await token_auth.token() != former

    async def test_asks_anew_once_and_then_takes_the_refusal(self, token_auth, way):
        def refusing(request: httpx.Request) -> httpx.Response:
            return httpx.Response(401)

        async with httpx.AsyncClient(
            transport=httpx.MockTransport(refusing), base_url="http://x.test", auth=token_auth
        ) as client:
            answer = await client.get("/internal/v1/caller")

        assert (answer.status_code, way.asked) == (401, 2)

    async def test_goes_on_with_a_token_that_is_still_good_while_auth_is_away(self, token_auth, way, elapsed):
        token = await token_auth.token()
        way.cut = True
        elapsed[0] += 250

        assert await token_auth.token() == token

    async def test_says_that_auth_is_away_when_it_has_no_good_token(self, token_auth, way, elapsed):
        await token_auth.token()
        way.cut = True
        elapsed[0] += 296

        with pytest.raises(QuartetError) as refusal:
            await token_auth.token()

        assert refusal.value.code == "service_token.unavailable"
