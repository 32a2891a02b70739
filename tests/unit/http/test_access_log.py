import json
from collections.abc import AsyncGenerator

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from common.http.app import create_app
from tests.support.listening import client_of

router = APIRouter()


class Thing(BaseModel):
    name: str


@router.get("/things/{name}")
async def get_thing(name: str) -> str:
    return name


@router.get("/things")
async def get_things() -> list[str]:
    return []


@router.post("/things")
async def post_thing(thing: Thing) -> Thing:
    return thing


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(title="Things", service="things", routers=[router])
    async with client_of(app, prefix="/api/v1/things") as opened:
        yield opened


class TestTheAccessLog:
    async def test_names_the_route_and_neither_path_nor_query(
        self, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
    ):
        await client.get("/things/s3cret?word=hidden", headers={"X-Request-Id": "log-me-please"})

        line = next(line for line in capsys.readouterr().out.splitlines() if "log-me-please" in line)
        logged = json.loads(line)
        assert logged["route"] == "/api/v1/things/things/{name}"
        assert logged["status"] == 200
        assert "s3cret" not in line
        assert "hidden" not in line

    async def test_holds_the_trace_that_the_caller_began(
        self, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
    ):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        await client.get("/things", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})

        assert trace in capsys.readouterr().out


class TestTheDocumentation:
    async def test_is_openapi_31_with_described_problems(self, client: httpx.AsyncClient):
        schema = (await client.get("/openapi.json")).json()

        assert schema["openapi"].startswith("3.1")
        problem = schema["components"]["schemas"]["ProblemDocument"]
        assert all("description" in member for member in problem["properties"].values())
        answers = schema["paths"]["/api/v1/things/things"]["post"]["responses"]
        assert answers["422"]["content"].keys() == {"application/problem+json"}
        assert "HTTPValidationError" not in schema["components"]["schemas"]
