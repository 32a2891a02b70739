import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from common.errors import Kind, QuartetError, unavailable
from common.http.app import create_app
from common.problems import STATUS, TITLES
from tests.support.listening import client_of
from tests.support.waiting import eventually

JSON = {"Content-Type": "application/json"}
router = APIRouter()


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=2)]
    size: Annotated[int, Field(ge=0)] = 0
    parts: list["Thing"] = []
    more: Any = None


@router.post("/things")
async def post_thing(thing: Thing) -> Thing:
    return thing


@router.get("/things")
async def get_things(limit: Annotated[int, Query(ge=1)] = 10, word: str = "") -> dict[str, Any]:
    return {"limit": limit, "word": word}


@router.get("/things/{name}")
async def get_thing(name: str) -> str:
    return name


@router.put("/upload")
async def put_upload(request: Request) -> int:
    return len(await request.body())


@router.get("/bug")
async def get_bug() -> None:
    raise ValueError("the password is hunter2")


@router.get("/busy")
async def get_busy() -> None:
    raise unavailable("things.busy", "Later, please.", retry_after_seconds=7)


@router.get("/hidden")
async def get_hidden() -> None:
    raise QuartetError("things.hidden", "Not for you.", kind=Kind.UNAUTHENTICATED)


@router.get("/endless")
async def get_endless() -> None:
    await asyncio.Event().wait()


@router.get("/stream")
async def get_stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first,"
        slow = asyncio.Event()
        asyncio.get_running_loop().call_later(1.4, slow.set)
        await slow.wait()
        yield b"last"

    return StreamingResponse(parts())


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(
        title="Things",
        service="things",
        routers=[router],
        body_limit_bytes=2_000,
        request_deadline_seconds=1.0,
        cors_origins=["https://app.example"],
    )
    async with client_of(app, prefix="/api/v1/things") as opened:
        yield opened


async def lines_with(captured: pytest.CaptureFixture[str], wanted: str) -> str:
    written = ""

    def has_come() -> bool:
        nonlocal written
        written += captured.readouterr().out
        return wanted in written

    await eventually(has_come)
    return written


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["code"] == code
    assert document["status"] == status
    assert document["type"] == f"urn:quartet:problem:{code}"
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document.keys() >= {"title", "detail", "instance"}
    return document


class TestTheTable:
    def test_every_kind_has_a_status_and_a_title(self):
        assert set(STATUS) == set(TITLES) == set(Kind)


class TestAnInvalidBody:
    async def test_with_very_many_faults_is_told_the_first_hundred(self, client: httpx.AsyncClient):
        body = {"name": "a name", "size": 1, "parts": [], **{f"u{n}": n for n in range(150)}}

        answer = await client.post("/things", json=body)

        problem = problem_of(answer, 422, "request.invalid")
        assert problem["detail"] == "The request has 150 faults. The first 100 are told."
        assert len(problem["errors"]) == 100

    async def test_has_every_fault_at_once(self, client: httpx.AsyncClient):
        body = {"name": "x", "size": "much", "parts": [{"size": -1}], "a/b~c": 1}

        answer = await client.post("/things", json=body)

        errors = problem_of(answer, 422, "request.invalid")["errors"]
        assert {(fault["pointer"], fault["code"]) for fault in errors} == {
            ("/name", "field.too_short"),
            ("/size", "field.wrong_type"),
            ("/parts/0/name", "field.missing"),
            ("/parts/0/size", "field.out_of_range"),
            ("/a~1b~0c", "field.unknown"),
        }

    async def test_that_is_missing_says_so(self, client: httpx.AsyncClient):
        answer = await client.post("/things")

        errors = problem_of(answer, 422, "request.invalid")["errors"]
        assert [(fault["pointer"], fault["code"]) for fault in errors] == [("", "body.missing")]

    async def test_of_a_query_is_named_with_a_question_mark(self, client: httpx.AsyncClient):
        answer = await client.get("/things", params={"limit": "none"})

        errors = problem_of(answer, 422, "request.invalid")["errors"]
        assert [(fault["pointer"], fault["code"]) for fault in errors] == [("?limit", "field.wrong_type")]


class TestABodyThatCannotBeRead:
    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"{", 400, "json.malformed"),
            (b'{"name": NaN}', 400, "json.malformed"),
            (b'{"name": "ab", "more": -Infinity}', 400, "json.malformed"),
            (b'{"name": "a\x00b"}', 400, "json.malformed"),
            (b'{"more": ' + b"1" * 5000 + b"}", 413, "body.too_large"),
            (b'{"more": ' + b"1" * 1900 + b"}", 422, "request.invalid"),
            (b"[" * 1500, 400, "json.too_deep"),
            (b"[" * 65, 400, "json.malformed"),
            (b"[" * 900 + b"]" * 900, 400, "json.too_deep"),
            (b'{"more":' * 70 + b"1" + b"}" * 70, 400, "json.too_deep"),
            (b"\xff\xfe{\x00}\x00", 400, "body.not_utf8"),
            ('{"name": "\\u0000a"}'.encode("utf-16-le"), 400, "json.malformed"),
            (b'{"name": "\xe4b"}', 400, "body.not_utf8"),
            (b'{"name": "ab", "more": "\\u0000"}', 422, "request.invalid"),
            (b'{"name": "ab", "more": ["\\ud800"]}', 422, "request.invalid"),
            (b'{"name": "ab", "\\udfff": 1}', 422, "request.invalid"),
            (b'{"name": "ab", "more": 1e999}', 422, "request.invalid"),
            (b'{"name": "ab", "more": 9223372036854775808}', 422, "request.invalid"),
        ],
    )
    async def test_is_refused_by_name(self, client: httpx.AsyncClient, body: bytes, status: int, code: str):
        answer = await client.post("/things", content=body, headers=JSON)

        problem_of(answer, status, code)

    async def test_is_looked_at_whatever_a_second_media_type_says(self, client: httpx.AsyncClient):
        twice = [("Content-Type", "application/json"), ("Content-Type", "image/png")]

        answer = await client.post("/things", content=b'{"name": "a\\u0000"}', headers=twice)

        problem_of(answer, 422, "request.invalid")

    @pytest.mark.parametrize(
        "packed",
        [
            "Content-Encoding: gzip\r\nContent-Encoding: identity\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
        ],
    )
    async def test_as_it_is_packed_is_refused_however_that_is_said(
        self, client: httpx.AsyncClient, packed: str
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = f"POST /api/v1/things/things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{packed}"
        writer.write(f'{head}\r\n\r\nf\r\n{{"name": "Ada"}}\r\n0\r\n\r\n'.encode())

        answer = await reader.readuntil(b"}")

        writer.close()
        assert answer.startswith(b"HTTP/1.1 415 ")
        assert b'"content_encoding.unsupported"' in answer

    async def test_names_the_text_that_cannot_be_stored(self, client: httpx.AsyncClient):
        body = b'{"name": "ab", "more": {"a": ["x", "\\u0000"]}, "parts": [{"name": "\\ud800"}]}'

        answer = await client.post("/things", content=body, headers=JSON)

        errors = problem_of(answer, 422, "request.invalid")["errors"]
        assert [(fault["pointer"], fault["code"]) for fault in errors] == [
            ("/more/a/1", "text.unreadable"),
            ("/parts/0/name", "text.unreadable"),
        ]

    async def test_passes_what_only_looks_suspicious(self, client: httpx.AsyncClient):
        body = json.dumps(
            {"name": "NaN \\u0000 \U0001f600", "more": [9223372036854775807, [{}] * 70]}
        ).encode()

        answer = await client.post("/things", content=body, headers=JSON)

        assert answer.status_code == 200
        assert answer.json()["more"][0] == 9223372036854775807

    @pytest.mark.parametrize("media_type", ["application/json", "image/png"])
    async def test_as_its_caller_went_away_is_no_bug(
        self, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str], media_type: str
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = f"PUT /api/v1/things/upload HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\n"
        writer.write(f"{head}Content-Length: 9\r\n\r\nbegun".encode())
        await writer.drain()
        writer.close()

        written = await lines_with(capsys, '"event": "request"')
        assert '"status": 400' in written
        assert "unhandled" not in written

    async def test_of_another_media_type_is_415(self, client: httpx.AsyncClient):
        answer = await client.post(
            "/things", content=b'{"name": "ab"}', headers={"Content-Type": "text/plain"}
        )

        problem_of(answer, 415, "media_type.unsupported")

    async def test_without_a_media_type_is_415(self, client: httpx.AsyncClient):
        answer = await client.post("/things", content=b'{"name": "ab"}')

        problem_of(answer, 415, "media_type.unsupported")


class TestTheBodyLimit:
    async def test_refuses_by_the_announced_length_before_a_byte_came(self, client: httpx.AsyncClient):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"PUT /api/v1/things/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 2001\r\n\r\n")

        answer = await reader.readline()

        writer.close()
        assert answer.startswith(b"HTTP/1.1 413 ")

    @pytest.mark.parametrize("media_type", ["application/json", "image/png"])
    async def test_refuses_what_only_turns_out_to_be_too_long(
        self, client: httpx.AsyncClient, media_type: str
    ):
        async def streamed() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x" * 1_000

        answer = await client.put("/upload", content=streamed(), headers={"Content-Type": media_type})

        problem_of(answer, 413, "body.too_large")

    async def test_takes_exactly_the_limit(self, client: httpx.AsyncClient):
        answer = await client.put("/upload", content=b"x" * 2_000)

        assert answer.json() == 2_000


class TestAPath:
    async def test_that_nobody_serves_is_404(self, client: httpx.AsyncClient):
        problem_of(await client.get("/nothing"), 404, "route.not_found")

    async def test_with_a_slash_too_many_is_not_redirected(self, client: httpx.AsyncClient):
        problem_of(await client.get("/things/"), 404, "route.not_found")

    async def test_with_nul_is_404(self, client: httpx.AsyncClient):
        problem_of(await client.get("/things/a%00b"), 404, "route.not_found")

    async def test_with_nul_in_the_query_is_422(self, client: httpx.AsyncClient):
        problem_of(await client.get("/things?word=%00"), 422, "request.invalid")

    async def test_asked_with_another_method_names_all_that_it_takes(self, client: httpx.AsyncClient):
        answer = await client.delete("/things")

        problem_of(answer, 405, "method.not_allowed")
        assert answer.headers["allow"] == "GET, HEAD, POST"


class TestAnError:
    async def test_of_our_own_tells_when_to_come_back(self, client: httpx.AsyncClient):
        answer = await client.get("/busy")

        problem_of(answer, 503, "things.busy")
        assert answer.headers["retry-after"] == "7"

    async def test_about_the_caller_has_a_challenge(self, client: httpx.AsyncClient):
        answer = await client.get("/hidden")

        problem_of(answer, 401, "things.hidden")
        assert answer.headers["www-authenticate"] == 'Bearer realm="quartet"'

    async def test_that_is_a_bug_shows_nothing_of_it(
        self, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
    ):
        answer = await client.get("/bug")

        problem_of(answer, 500, "internal")
        assert "hunter2" not in answer.text
        assert "ValueError" not in answer.text

    async def test_that_is_no_http_is_a_problem_too(self, client: httpx.AsyncClient):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")

        answer = await reader.read()
        writer.close()

        assert b"400 Bad Request" in answer
        assert b'"code":"http.malformed"' in answer


class TestTheDeadline:
    async def test_gives_up_a_request_that_does_not_answer(self, client: httpx.AsyncClient):
        answer = await client.get("/endless")

        problem_of(answer, 503, "request.timeout")
        assert "retry-after" in answer.headers

    async def test_ends_with_the_first_byte_of_the_answer(self, client: httpx.AsyncClient):
        answer = await client.get("/stream")

        assert answer.text == "first,last"


class TestEveryAnswer:
    @pytest.mark.parametrize("path", ["/things", "/nothing", "/bug", "/endless"])
    async def test_has_the_security_headers(self, client: httpx.AsyncClient, path: str):
        answer = await client.get(path)

        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "server" not in answer.headers

    async def test_keeps_a_sane_request_id(self, client: httpx.AsyncClient):
        answer = await client.get("/things", headers={"X-Request-Id": "checkout-4711"})

        assert answer.headers["x-request-id"] == "checkout-4711"

    @pytest.mark.parametrize("given", ["short", "x" * 65, "with space!", 'quote"quote'])
    async def test_replaces_an_odd_request_id(self, client: httpx.AsyncClient, given: str):
        answer = await client.get("/things", headers={"X-Request-Id": given})

        assert answer.headers["x-request-id"] != given

    async def test_lets_the_listed_origin_read_it(self, client: httpx.AsyncClient):
        answer = await client.get("/bug", headers={"Origin": "https://app.example"})
        foreign = await client.get("/bug", headers={"Origin": "https://other.example"})

        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "access-control-allow-origin" not in foreign.headers
