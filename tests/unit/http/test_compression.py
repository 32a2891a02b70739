import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from common.http.app import create_app
from common.http.compression import SMALLEST_BYTES, takes_gzip
from tests.support.listening import client_of

ITEMS = [{"name": f"thing {number}"} for number in range(200)]
LARGE = json.dumps(ITEMS).encode()
router = APIRouter()


@router.get("/items")
async def get_items() -> list[dict[str, str]]:
    return ITEMS


@router.get("/sized/{size}")
async def get_sized(size: int) -> Response:
    return Response("x" * size, media_type="application/json")


@router.get("/versioned")
async def get_versioned() -> Response:
    return Response(LARGE, media_type="application/json", headers={"ETag": '"7"'})


@router.get("/image")
async def get_image() -> Response:
    return Response(LARGE, media_type="image/png")


@router.get("/packed")
async def get_packed() -> Response:
    return Response(gzip.compress(LARGE), media_type="application/json", headers={"Content-Encoding": "gzip"})


@router.get("/untouched")
async def get_untouched() -> Response:
    return Response(LARGE, media_type="text/plain", headers={"Cache-Control": "no-transform"})


@router.get("/events")
async def get_events() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"data: " + b"x" * 2 * SMALLEST_BYTES + b"\n\n"

    return StreamingResponse(parts(), media_type="text/event-stream")


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(title="Large", service="large", routers=[router])
    async with client_of(app, prefix="/api/v1/large") as opened:
        yield opened


class TestALargeAnswer:
    async def test_is_compressed_for_who_takes_it(self, client: httpx.AsyncClient):
        answer = await client.get("/items", headers={"Accept-Encoding": "gzip"})

        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert int(answer.headers["content-length"]) < len(LARGE) / 4
        assert answer.json() == ITEMS

    @pytest.mark.parametrize("takes", ["identity", "", "br", "gzip;q=0"])
    async def test_is_sent_as_it_is_to_who_does_not(self, client: httpx.AsyncClient, takes: str):
        answer = await client.get("/items", headers={"Accept-Encoding": takes})

        assert "content-encoding" not in answer.headers
        assert answer.json() == ITEMS

    async def test_of_a_megabyte_is_the_same_afterwards(self, client: httpx.AsyncClient):
        answer = await client.get("/sized/1000000", headers={"Accept-Encoding": "gzip"})

        assert answer.headers["content-encoding"] == "gzip"
        assert len(answer.text) == 1_000_000


class TestEverythingElse:
    @pytest.mark.parametrize(
        "path",
        ["/versioned", "/image", "/untouched", "/events", f"/sized/{SMALLEST_BYTES - 1}", "/nothing"],
    )
    async def test_is_sent_as_it_is(self, client: httpx.AsyncClient, path: str):
        answer = await client.get(path, headers={"Accept-Encoding": "gzip"})

        assert "content-encoding" not in answer.headers

    async def test_that_is_compressed_already_is_not_again(self, client: httpx.AsyncClient):
        answer = await client.get("/packed", headers={"Accept-Encoding": "gzip"})

        assert answer.headers.get_list("content-encoding") == ["gzip"]
        assert answer.content == LARGE


class TestTheHeader:
    @pytest.mark.parametrize(
        ("header", "taken"),
        [
            (b"gzip", True),
            (b"br, GZIP;q=0.5", True),
            (b"*", True),
            (b"deflate,gzip", True),
            (b"gzip; q=0", False),
            (b"x-gzip", False),
            (b"identity", False),
            (b"", False),
        ],
    )
    def test_is_read(self, header: bytes, taken: bool):
        assert takes_gzip(header) == taken


class TestABodyThatIsCompressed:
    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP, identity"])
    async def test_is_refused_by_name(self, client: httpx.AsyncClient, coding: str):
        answer = await client.post(
            "/items", content=gzip.compress(b"{}"), headers={"Content-Encoding": coding}
        )

        assert answer.status_code == 415
        assert answer.json()["code"] == "content_encoding.unsupported"
        assert answer.headers["accept-encoding"] == "identity"

    async def test_by_nothing_is_taken(self, client: httpx.AsyncClient):
        answer = await client.post("/items", content=b"{}", headers={"Content-Encoding": "identity"})

        assert answer.status_code == 405
