import copy
from collections.abc import AsyncGenerator
from datetime import date
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from common.errors import QuartetError
from common.http.app import create_app
from common.http.merge_patch import MEDIA_TYPE, merge, merge_patch_of, patched
from tests.support.listening import client_of

RFC_7396_APPENDIX_A = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


class Contact(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    phone: str | None = None


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=2)
    born: date | None = None
    size: int = Field(default=1, ge=0)
    tags: list[str] = []
    contact: Contact | None = None


ADA = Person(
    name="Ada", born=date(1815, 12, 10), tags=["a", "b"], contact=Contact(name="Charles", phone="+441")
)
router = APIRouter()


@router.patch("/person")
async def patch_person(patch: Annotated[dict[str, Any], merge_patch_of(Person)]) -> Person:
    return patched(ADA, patch)


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(title="People", service="people", routers=[router], prefix="")
    async with client_of(app) as opened:
        yield opened


def flat(document: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The model: a document as its leaves; an empty object is a leaf."""
    if not isinstance(document, dict) or not document:
        return {path: document}
    return {
        where: leaf for name, inner in document.items() for where, leaf in flat(inner, (*path, name)).items()
    }


_LEAF = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
_NAME = st.sampled_from("abc")
_DOCUMENT = st.recursive(_LEAF, lambda inner: st.dictionaries(_NAME, inner, max_size=3), max_leaves=8)
_OBJECT = st.dictionaries(_NAME, _DOCUMENT, max_size=3)


class TestMerge:
    @pytest.mark.parametrize(("document", "patch", "expected"), RFC_7396_APPENDIX_A)
    def test_is_as_the_standard_shows(self, document: Any, patch: Any, expected: Any):
        assert merge(document, patch) == expected

    @given(_DOCUMENT, _OBJECT)
    def test_leaves_what_the_patch_does_not_speak_of(self, document: Any, patch: dict[str, Any]):
        before = document if isinstance(document, dict) else {}

        merged = merge(document, patch)

        assert {name: value for name, value in merged.items() if name not in patch} == {
            name: value for name, value in before.items() if name not in patch
        }

    @given(_DOCUMENT, _OBJECT)
    def test_takes_every_leaf_of_the_patch(self, document: Any, patch: dict[str, Any]):
        merged = flat(merge(document, patch))

        for path, leaf in flat(patch).items():
            present = leaf is not None and leaf != {}
            assert not present or merged[path] == leaf
            assert leaf is not None or path not in merged or path == ()

    @given(_DOCUMENT, _DOCUMENT)
    def test_a_second_time_changes_nothing(self, document: Any, patch: Any):
        once = merge(document, patch)

        assert merge(once, patch) == once

    @given(_DOCUMENT, _DOCUMENT)
    def test_leaves_both_of_its_arguments_as_they_were(self, document: Any, patch: Any):
        before = copy.deepcopy((document, patch))

        merge(document, patch)

        assert (document, patch) == before

    def test_is_bounded_in_depth(self):
        patch: dict[str, Any] = {}
        for _ in range(100_000):
            patch = {"a": patch}

        with pytest.raises(QuartetError, match=r"json\.too_deep"):
            merge({}, patch)


class TestAPatchedPerson:
    async def send(self, client: httpx.AsyncClient, patch: object) -> httpx.Response:
        return await client.patch("/person", json=patch, headers={"Content-Type": MEDIA_TYPE})

    async def test_keeps_what_is_left_out(self, client: httpx.AsyncClient):
        answer = await self.send(client, {"size": 2})

        assert Person.model_validate(answer.json()) == ADA.model_copy(update={"size": 2})

    async def test_loses_what_is_null(self, client: httpx.AsyncClient):
        answer = await self.send(client, {"born": None, "contact": {"phone": None}})

        assert (answer.json()["born"], answer.json()["contact"]) == (None, {"name": "Charles", "phone": None})

    async def test_gets_lists_whole(self, client: httpx.AsyncClient):
        assert (await self.send(client, {"tags": ["c"]})).json()["tags"] == ["c"]

    async def test_is_checked_as_a_whole_with_all_faults_at_once(self, client: httpx.AsyncClient):
        patch = {"name": None, "size": -1, "born": "soon", "contact": {"name": ""}, "colour": "red"}

        answer = await self.send(client, patch)

        assert answer.status_code == 422
        assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
            ("/name", "field.missing"),
            ("/size", "field.out_of_range"),
            ("/born", "field.wrong_format"),
            ("/contact/name", "field.too_short"),
            ("/colour", "field.unknown"),
        }

    @pytest.mark.parametrize(
        "media_type", [MEDIA_TYPE, "application/json", "Application/JSON; charset=utf-8"]
    )
    async def test_may_be_sent_as_a_patch_or_plain_json(self, client: httpx.AsyncClient, media_type: str):
        answer = await client.patch("/person", content="{}", headers={"Content-Type": media_type})

        assert answer.status_code == 200

    @pytest.mark.parametrize("media_type", ["application/json-patch+json", "text/plain", "application/xml"])
    async def test_sent_as_anything_else_is_415(self, client: httpx.AsyncClient, media_type: str):
        answer = await client.patch("/person", content="{}", headers={"Content-Type": media_type})

        assert (answer.status_code, answer.json()["code"]) == (415, "media_type.unsupported")

    @pytest.mark.parametrize("content", ["{}", '[{"op": "remove", "path": "/name"}]'])
    async def test_sent_as_another_kind_of_json_learns_what_is_taken(
        self, client: httpx.AsyncClient, content: str
    ):
        other = {"Content-Type": "application/json-patch+json"}

        answer = await client.patch("/person", content=content, headers=other)

        assert answer.status_code == 415
        assert answer.headers["accept-patch"] == "application/merge-patch+json, application/json"

    @pytest.mark.parametrize("patch", [[], "text", 1, None])
    async def test_is_patched_by_an_object_only(self, client: httpx.AsyncClient, patch: object):
        assert (await self.send(client, patch)).status_code == 422

    async def test_is_documented_as_merge_patch(self, client: httpx.AsyncClient):
        document = (await client.get("/openapi.json")).json()
        body = document["paths"]["/person"]["patch"]["requestBody"]

        assert list(body["content"]) == [MEDIA_TYPE, "application/json"]
        assert body["content"][MEDIA_TYPE]["schema"]["type"] == "object"
