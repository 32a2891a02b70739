import json
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from common.errors import Kind, QuartetError
from common.http.app import create_app
from common.http.direct import direct_routes

router = APIRouter()


class Body(BaseModel):
    name: str


async def name_of_caller(request: Request) -> str:
    request.state.asked = getattr(request.state, "asked", 0) + 1
    if "x-name" not in request.headers:
        raise QuartetError("name.missing", "Say your name.", kind=Kind.UNAUTHENTICATED)
    return request.headers["x-name"]


Name = Annotated[str, Depends(name_of_caller)]


async def greeting_for(name: Name) -> str:
    return f"Hello, {name}"


async def lent():
    yield "lent"


def from_a_thread() -> str:
    return "thread"


@router.get("/greeting")
async def greeting(request: Request, name: Name, said: Annotated[str, Depends(greeting_for)]) -> Response:
    return Response(json.dumps([said, name, request.state.asked]), media_type="application/json")


@router.get("/broken")
async def broken(name: Name) -> Response:
    raise ValueError(name)


@router.put("/upload")
async def upload(request: Request) -> Response:
    return Response(str(len(await request.body())))


@router.get("/model")
async def model() -> Body:
    return Body(name="Ada")


@router.get("/people/{name}")
async def person(name: str) -> Response:
    return Response(name)


@router.get("/people/me")
async def after_one_with_a_parameter() -> Response:
    return Response("nobody gets here")


@router.get("/query")
async def query(limit: Annotated[int, Query()] = 1) -> Response:
    return Response(str(limit))


@router.post("/body")
async def with_body(body: Body) -> Response:
    return Response(body.name)


@router.get("/generator")
async def generator(value: Annotated[str, Depends(lent)]) -> Response:
    return Response(value)


@router.get("/thread")
async def thread(value: Annotated[str, Depends(from_a_thread)]) -> Response:
    return Response(value)


@router.get("/anew")
async def anew(one: Name, two: Annotated[str, Depends(name_of_caller, use_cache=False)]) -> Response:
    return Response(one + two)


def app() -> FastAPI:
    return create_app(title="Greetings", service="greetings", routers=[router], prefix="")


@pytest.fixture
def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app(), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://greetings")


class TestDirectRoutes:
    def test_are_those_with_a_fixed_path_a_response_and_coroutines(self):
        assert {path for _, path in direct_routes(app()) if not path.endswith("openapi.json")} == {
            "/greeting",
            "/broken",
            "/upload",
        }

    async def test_get_what_they_depend_on_each_of_it_asked_once(self, client):
        answer = await client.get("/greeting", headers={"X-Name": "Ada"})

        assert answer.json() == ["Hello, Ada", "Ada", 1]

    async def test_answer_with_the_problem_that_a_dependency_raised(self, client):
        answer = await client.get("/greeting")

        assert answer.status_code == 401
        assert answer.json()["code"] == "name.missing"

    async def test_that_break_say_no_more_than_that(self, client):
        answer = await client.get("/broken", headers={"X-Name": "Ada"})

        assert answer.status_code == 500
        assert answer.json()["code"] == "internal"

    async def test_refuse_what_turns_out_to_be_too_long(self, client):
        async def streamed():
            yield b"x" * 2_000_000

        answer = await client.put("/upload", content=streamed(), headers={"Content-Type": "image/png"})

        assert answer.status_code == 413
        assert answer.json()["code"] == "body.too_large"

    async def test_leave_other_methods_to_the_framework(self, client):
        answer = await client.post("/greeting")

        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"]


class TestOtherRoutes:
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("/model", '{"name":"Ada"}'),
            ("/people/Ada", "Ada"),
            ("/query?limit=2", "2"),
            ("/generator", "lent"),
            ("/thread", "thread"),
            ("/anew", "AdaAda"),
        ],
    )
    async def test_go_the_framework_s_way(self, client, path, text):
        answer = await client.get(path, headers={"X-Name": "Ada"})

        assert answer.text == text
