from collections.abc import AsyncGenerator

import httpx
import pytest
from fastapi import APIRouter
from pydantic import ValidationError

from common.http.app import create_app
from common.settings import HttpSettings
from tests.support.listening import client_of

OURS = "https://app.example"
router = APIRouter()


@router.get("/things")
async def get_things() -> list[str]:
    return []


def application(*origins: str):
    return create_app(title="Things", service="things", routers=[router], cors_origins=origins)


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(application(OURS), prefix="/api/v1/things") as opened:
        yield opened


@pytest.fixture(scope="module")
async def open_to_all() -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(application("*"), prefix="/api/v1/things") as opened:
        yield opened


async def preflight(client: httpx.AsyncClient, origin: str, **asked: str) -> httpx.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    headers |= {f"Access-Control-Request-{name.title()}": value for name, value in asked.items()}
    return await client.options("/things", headers=headers)


class TestAPreflight:
    async def test_lets_a_listed_page_ask_with_its_credentials(self, client: httpx.AsyncClient):
        answer = await preflight(
            client, OURS, headers="authorization, if-match, idempotency-key, x-csrf-token"
        )

        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == OURS
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert all(
            name in allowed for name in ("authorization", "if-match", "idempotency-key", "x-csrf-token")
        )

    @pytest.mark.parametrize(
        "origin",
        ["https://other.example", "null", "https://app.example.evil.example", "http://app.example"],
    )
    async def test_allows_no_other_page_anything(self, client: httpx.AsyncClient, origin: str):
        answer = await preflight(client, origin)

        assert "access-control-allow-origin" not in answer.headers
        assert "Origin" in answer.headers["vary"]

    async def test_names_no_header_that_it_does_not_know(self, client: httpx.AsyncClient):
        answer = await preflight(client, OURS, headers="x-internal-user")

        assert "x-internal-user" not in answer.headers["access-control-allow-headers"].lower()

    async def test_without_origins_is_a_method_that_is_not_allowed(self):
        async with client_of(application(), prefix="/api/v1/things") as closed:
            answer = await preflight(closed, OURS)

        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


class TestAnAnswer:
    async def test_may_be_read_by_a_listed_page_with_what_it_needs(self, client: httpx.AsyncClient):
        answer = await client.get("/things", headers={"Origin": OURS})

        assert answer.headers["access-control-allow-origin"] == OURS
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert all(name in exposed for name in ("etag", "ratelimit", "retry-after", "x-request-id"))

    async def test_that_is_a_problem_may_be_read_too(self, client: httpx.AsyncClient):
        answer = await client.get("/nothing", headers={"Origin": OURS})

        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, OURS)

    async def test_to_every_page_never_comes_with_credentials(self, open_to_all: httpx.AsyncClient):
        answer = await open_to_all.get("/things", headers={"Origin": "https://other.example"})
        asked = await preflight(open_to_all, "https://other.example")

        for one in (answer, asked):
            assert one.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in one.headers


class TestTheSetting:
    @pytest.mark.parametrize(
        "origins",
        [
            ["https://app.example/"],
            ["app.example"],
            ["https://app.example/path"],
            ["*", "https://app.example"],
            ["https://*.app.example"],
            ["null"],
        ],
    )
    def test_refuses_what_is_no_origin(self, origins: list[str]):
        with pytest.raises(ValidationError, match="HTTP_CORS_ORIGINS"):
            HttpSettings.model_validate({"port": 1, "cors_origins": origins})

    @pytest.mark.parametrize(
        "origins", [[], ["*"], ["https://app.example:8443", "http://localhost:3000", "http://[::1]:3000"]]
    )
    def test_takes_origins(self, origins: list[str]):
        settings = HttpSettings.model_validate({"port": 1, "cors_origins": origins})

        assert list(settings.cors_origins) == origins
