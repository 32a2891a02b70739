from collections.abc import AsyncGenerator

import httpx
import pytest
from fastapi import APIRouter, Response
from hypothesis import given
from hypothesis import strategies as st

from common.errors import QuartetError
from common.http.app import create_app
from common.http.etag import (
    IfVersion,
    IfVersionRequired,
    Tags,
    changed_meanwhile,
    etag_of,
    parse_tags,
    version_headers,
)
from tests.support.listening import client_of

router = APIRouter()
NOW = 17
"""The version of what is there."""


@router.get("/thing")
async def get_thing(seen: IfVersion) -> Response:
    return seen.unchanged(NOW) or Response("thing", headers=version_headers(NOW))


@router.patch("/thing")
@router.delete("/thing")
async def change_thing(demanded: IfVersion) -> Response:
    demanded.check(NOW)
    return Response(status_code=204, headers=version_headers(NOW + 1))


@router.put("/guarded")
async def put_guarded(demanded: IfVersionRequired) -> Response:
    demanded.check(NOW)
    return Response(status_code=204)


@router.put("/absent")
async def put_absent(demanded: IfVersion) -> Response:
    demanded.check(None)
    return Response(status_code=201)


@router.put("/raced")
async def put_raced() -> Response:
    raise changed_meanwhile(NOW)


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(title="Things", service="things", routers=[router], prefix="")
    async with client_of(app) as opened:
        yield opened


_TAG = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc", "Zs"], exclude_characters='"'), max_size=8
)
_ITEM = st.tuples(st.booleans(), _TAG)
_COMMA = st.sampled_from([",", ", ", " ,", ",,", " , , "])


class TestTags:
    @given(st.lists(st.tuples(_ITEM, _COMMA), min_size=1, max_size=8))
    def test_are_read_as_they_were_written(self, written: list[tuple[tuple[bool, str], str]]):
        text = "".join(f'{"W/" if weak else ""}"{tag}"{comma}' for (weak, tag), comma in written)

        assert parse_tags([text]) == Tags(
            strong=frozenset(f'"{tag}"' for (weak, tag), _ in written if not weak),
            weak=frozenset(f'"{tag}"' for (weak, tag), _ in written if weak),
        )

    @given(st.lists(st.text(max_size=30), min_size=1, max_size=3))
    def test_of_any_text_are_read_or_refused(self, values: list[str]):
        try:
            found = parse_tags(values)
        except QuartetError as error:
            assert error.code == "precondition_malformed"  # noqa: PT017 - either is right, nothing else is
        else:
            assert found is not None
            assert found.anything or found.strong or found.weak

    def test_of_several_lines_are_one_list(self):
        assert parse_tags(['"v1"', '"v2", W/"v3"']) == Tags(frozenset({'"v1"', '"v2"'}), frozenset({'"v3"'}))

    def test_of_no_line_are_no_condition(self):
        assert parse_tags([]) is None

    @pytest.mark.parametrize(
        "text",
        ["", ",", "v17", '"v17', '"v1" "v2"', 'w/"v1"', '*, "v1"', "W/*", '"a b"', '"' + "x" * 5000 + '"'],
    )
    def test_that_cannot_be_read_are_refused(self, text: str):
        with pytest.raises(QuartetError, match="precondition_malformed"):
            parse_tags([text])


class TestReading:
    async def test_shows_the_version(self, client: httpx.AsyncClient):
        answer = await client.get("/thing")

        assert (answer.status_code, answer.headers["etag"], answer.text) == (200, '"v17"', "thing")
        assert answer.headers["cache-control"] == "private, no-cache"

    @pytest.mark.parametrize("seen", ['"v17"', 'W/"v17"', '"v16", "v17"', "*"])
    async def test_what_the_caller_has_is_304_without_a_body(self, client: httpx.AsyncClient, seen: str):
        answer = await client.get("/thing", headers={"If-None-Match": seen})

        assert (answer.status_code, answer.headers["etag"], answer.content) == (304, '"v17"', b"")
        assert "content-type" not in answer.headers
        assert answer.headers["cache-control"] == "private, no-cache"

    async def test_another_version_is_sent_whole(self, client: httpx.AsyncClient):
        answer = await client.get("/thing", headers={"If-None-Match": '"v16"'})

        assert (answer.status_code, answer.text) == (200, "thing")

    async def test_keeps_its_connection_after_a_304(self, client: httpx.AsyncClient):
        answers = [await client.get("/thing", headers={"If-None-Match": '"v17"'}) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [304] * 3


class TestChanging:
    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    @pytest.mark.parametrize("demanded", ['"v17"', '"v16", "v17"', "*"])
    async def test_the_version_that_is_there_goes_through(self, client, method: str, demanded: str):
        answer = await client.request(method, "/thing", headers={"If-Match": demanded})

        assert (answer.status_code, answer.headers["etag"]) == (204, '"v18"')

    @pytest.mark.parametrize("demanded", ['"v16"', 'W/"v17"', '"17"'])
    async def test_another_version_is_412_and_names_the_present_one(self, client, demanded: str):
        answer = await client.patch("/thing", headers={"If-Match": demanded})

        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
        assert answer.headers["etag"] == '"v17"'

    async def test_without_a_condition_goes_through_where_none_is_required(self, client: httpx.AsyncClient):
        assert (await client.patch("/thing")).status_code == 204

    async def test_without_a_condition_is_428_where_one_is_required(self, client: httpx.AsyncClient):
        answer = await client.put("/guarded")

        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")

    async def test_a_condition_that_cannot_be_read_is_not_overlooked(self, client: httpx.AsyncClient):
        answer = await client.patch("/thing", headers={"If-Match": "v16"})

        assert (answer.status_code, answer.json()["code"]) == (400, "precondition_malformed")

    async def test_only_what_is_not_there_can_be_asked_for(self, client: httpx.AsyncClient):
        there = await client.patch("/thing", headers={"If-None-Match": "*"})
        absent = await client.put("/absent", headers={"If-None-Match": "*"})

        assert (there.status_code, absent.status_code) == (412, 201)

    @pytest.mark.parametrize("demanded", ["*", '"v1"'])
    async def test_what_is_not_there_is_412_without_a_tag(self, client: httpx.AsyncClient, demanded: str):
        answer = await client.put("/absent", headers={"If-Match": demanded})

        assert answer.status_code == 412
        assert "etag" not in answer.headers

    async def test_in_a_race_tells_the_slower_one_the_same(self, client: httpx.AsyncClient):
        answer = await client.put("/raced")

        assert (answer.status_code, answer.headers["etag"]) == (412, '"v17"')


class TestATag:
    @given(st.integers(min_value=0, max_value=2**63), st.integers(min_value=0, max_value=2**63))
    def test_is_another_for_another_version(self, one: int, other: int):
        assert (etag_of(one) == etag_of(other)) == (one == other)
