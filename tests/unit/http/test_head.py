import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from common.http.app import create_app
from tests.support.listening import client_of


class Routes:
    def __init__(self) -> None:
        self.stream_began = False
        self.router = APIRouter()
        self.router.get("/thing")(self.thing)
        self.router.get("/direct")(self.direct)
        self.router.get("/things/{name}")(self.named)
        self.router.get("/stream")(self.stream)
        self.router.get("/bug")(self.bug)
        self.router.post("/posted")(self.posted)

    async def thing(self) -> dict[str, int]:
        return {"size": 7}

    async def direct(self, request: Request) -> Response:
        return Response("0123456789", headers={"ETag": '"1"', "X-Asked-By": request.method})

    async def named(self, name: str) -> str:
        return name

    async def stream(self) -> StreamingResponse:
        async def endless() -> AsyncIterator[bytes]:
            self.stream_began = True
            await asyncio.Event().wait()
            yield b"never"

        return StreamingResponse(endless(), media_type="text/event-stream")

    async def bug(self) -> None:
        raise ValueError("secret")

    async def posted(self) -> None: ...


@pytest.fixture
def routes() -> Routes:
    return Routes()


@pytest.fixture
async def client(routes: Routes) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(title="Heads", service="heads", routers=[routes.router], request_deadline_seconds=5)
    async with client_of(app, prefix="/api/v1/heads") as opened:
        yield opened


class TestHead:
    @pytest.mark.parametrize("path", ["/thing", "/direct", "/things/a", "/openapi.json"])
    async def test_is_get_without_the_body(self, client: httpx.AsyncClient, path: str):
        got, headed = await client.get(path), await client.head(path)

        varying = {"date", "x-request-id"}
        assert headed.status_code == got.status_code == 200
        assert headed.content == b""
        assert {n: v for n, v in headed.headers.items() if n not in varying} == {
            name: value
            for name, value in got.headers.items()
            if name not in varying | {"content-encoding", "vary"}
        } | {"content-length": headed.headers["content-length"]}

    @pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/bug", 500), ("/posted", 405)])
    async def test_is_refused_as_get_is(self, client: httpx.AsyncClient, path: str, status: int):
        answer = await client.head(path)

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.content == b""

    async def test_of_a_stream_is_over_before_it_begins(self, client: httpx.AsyncClient, routes: Routes):
        answer = await client.head("/stream")

        assert answer.headers["content-type"].startswith("text/event-stream")
        assert not routes.stream_began

    async def test_is_a_head_in_the_log(self, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]):
        await client.head("/things/a")

        line = next(line for line in capsys.readouterr().out.splitlines() if '"HEAD"' in line)
        assert "/api/v1/heads/things/{name}" in line

    async def test_leaves_the_connection_in_order(self, client: httpx.AsyncClient):
        answers = [
            answer for _ in range(5) for answer in (await client.head("/direct"), await client.get("/direct"))
        ]

        assert [answer.text for answer in answers] == ["", "0123456789"] * 5

    async def test_is_allowed_where_get_is(self, client: httpx.AsyncClient):
        assert (await client.delete("/thing")).headers["allow"] == "GET, HEAD"
        assert (await client.head("/posted")).headers["allow"] == "POST"
