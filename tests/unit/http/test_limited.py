"""Routes with limits, before a Redis that is away: what a process decides by itself."""

from collections.abc import AsyncGenerator
from ipaddress import ip_network

import httpx
import pytest
from fastapi import APIRouter
from redis.asyncio import Redis

from common.http.app import create_app
from common.http.limited import limits_of, per_address, per_user, warn_of_unknown
from common.http.rate_limits import Limit
from common.http.shared_limits import RateLimits
from common.http.tokens import AccessTokens
from tests.support.listening import client_of
from tests.support.tokens import ISSUER, KEY, NOW, Keys, claims, token

BY_ADDRESS = Limit("by-address", requests=3, seconds=60)
BY_USER = Limit("by-user", requests=2, seconds=60)

router = APIRouter()


@router.get("/open", dependencies=[per_address(BY_ADDRESS)])
async def get_open() -> str:
    return "done"


@router.get("/mine", dependencies=[per_user(BY_USER)])
async def get_mine() -> str:
    return "done"


@router.get("/both", dependencies=[per_address(Limit("outer", 5, 60)), per_user(Limit("inner", 1, 60))])
async def get_both() -> str:
    return "done"


@pytest.fixture
async def client(free_port: int) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(title="Limited", service="limited", routers=[router])
    app.state.access_tokens = AccessTokens(
        issuer=ISSUER, audience="quartet", keys=Keys(KEY), revoked=set(), clock=lambda: NOW
    )
    app.state.trusted_proxies = (ip_network("127.0.0.1/32"),)
    # The same moment throughout: nothing is given back while a slow test runs.
    limits = RateLimits(Redis(port=free_port), prefix="test:", now_us=lambda: 0)
    app.state.rate_limits = limits
    async with client_of(app, prefix="/api/v1/limited") as opened:
        yield opened
    await limits.close()


def from_address(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def as_user(said: dict) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(said)}"}


class TestALimitedRoute:
    async def test_refuses_with_a_problem_that_says_when_to_come_back(self, client: httpx.AsyncClient):
        answers = [await client.get("/open") for _ in range(4)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        problem = answers[-1].json()
        assert (problem["code"], problem["title"]) == ("requests.too_many", "Too many requests")
        assert answers[-1].headers["content-type"] == "application/problem+json"
        assert answers[-1].headers["retry-after"] == "20"

    async def test_says_with_every_answer_what_is_left(self, client: httpx.AsyncClient):
        answers = [await client.get("/open") for _ in range(4)]

        assert [answer.headers["ratelimit"] for answer in answers] == [
            '"by-address";r=2;t=20',
            '"by-address";r=1;t=40',
            '"by-address";r=0;t=60',
            '"by-address";r=0;t=60',
        ]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"by-address";q=3;w=60'}

    async def test_counts_each_address_by_itself(self, client: httpx.AsyncClient):
        first = [await client.get("/open", headers=from_address("198.51.100.1")) for _ in range(4)]
        other = await client.get("/open", headers=from_address("198.51.100.2"))

        assert (first[-1].status_code, other.status_code) == (429, 200)

    async def test_counts_each_user_by_themself_wherever_they_are(self, client: httpx.AsyncClient):
        ada, grace = claims(), claims()
        answers = [
            await client.get("/mine", headers=as_user(ada) | from_address(f"198.51.100.{number}"))
            for number in range(3)
        ]
        other = await client.get("/mine", headers=as_user(grace))

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert other.status_code == 200

    async def test_by_user_asks_who_it_is_before_it_counts(self, client: httpx.AsyncClient):
        answer = await client.get("/mine")

        assert answer.status_code == 401
        assert "ratelimit" not in answer.headers

    async def test_with_two_limits_tells_of_both(self, client: httpx.AsyncClient):
        said = claims()
        answers = [await client.get("/both", headers=as_user(said)) for _ in range(2)]

        assert answers[-1].status_code == 429
        assert answers[-1].headers.get_list("ratelimit", split_commas=True) == [
            '"outer";r=3;t=24',
            '"inner";r=0;t=60',
        ]

    async def test_is_not_counted_where_nobody_declared_it(self, client: httpx.AsyncClient):
        assert "ratelimit" not in (await client.get("/openapi.json")).headers


class TestTheLimitsOfAnApplication:
    def test_are_found_on_its_routes(self):
        app = create_app(title="Limited", service="limited", routers=[router])

        assert limits_of(app).keys() == {"by-address", "by-user", "outer", "inner"}

    def test_that_an_operator_moved_and_nobody_has_are_warned_of(self, capsys: pytest.CaptureFixture[str]):
        warn_of_unknown({"by-adress": "1/1", "by-user": "1/1"}, {"by-address", "by-user"})

        assert "by-adress" in capsys.readouterr().out
