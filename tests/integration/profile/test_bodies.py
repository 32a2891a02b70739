"""What is sent for a profile, before it is looked at field by field."""

import json

import pytest

from common.ids import new_id
from profile_service.api.me import MOST_BYTES
from profile_service.domain.fields import FIELDS
from tests.support.avatars import RED_PICTURE

JSON = {"Content-Type": "application/json"}
ESCAPED = len(json.dumps("🚀")) - 2
"""Bytes of a character as some programs write it."""


@pytest.fixture
async def client(profile_app):
    async with profile_app.client(new_id()) as client:
        yield client


class TestABody:
    def test_may_hold_every_field_in_full_however_it_is_written(self):
        assert ESCAPED * sum(field.rule.most for field in FIELDS) < MOST_BYTES

    async def test_of_emoji_alone_is_taken(self, client):
        answer = await client.patch("/me", json={"bio": "🚀" * 2000, "display_name": "🚀" * 200})

        assert (answer.status_code, answer.json()["bio"]) == (200, "🚀" * 2000)

    @pytest.mark.parametrize(
        ("method", "path", "most"),
        [
            ("PATCH", "/me", 96 * 1024),
            ("PUT", "/me", 96 * 1024),
            ("POST", "/me/validate", 96 * 1024),
            ("PATCH", "/me/preferences", 4096),
        ],
    )
    async def test_of_more_faults_than_fit_is_refused_unread(self, client, method, path, most):
        fits, too_large = (b'{"unknown": 1}'.ljust(length) for length in (most, most + 1))
        headers = JSON | {"If-Match": '"v0"'}

        read = await client.request(method, path, content=fits, headers=headers)
        unread = await client.request(method, path, content=too_large, headers=headers)

        assert [fault["code"] for fault in read.json()["errors"]] == ["field.unknown"]
        assert (unread.status_code, unread.json()["code"]) == (413, "body.too_large")


class TestAPut:
    async def test_of_a_merge_patch_removes_nothing(self, client):
        await client.patch("/me", json={"bio": "x"})

        answer = await client.put(
            "/me",
            content=b'{"pronouns": "she"}',
            headers={"Content-Type": "application/merge-patch+json", "If-Match": '"v1"'},
        )

        assert (answer.status_code, answer.json()["code"]) == (415, "media_type.unsupported")
        assert answer.headers["Accept"] == "application/json"
        assert (await client.get("/me")).json()["bio"] == "x"

    @pytest.mark.parametrize(
        ("path", "content", "media_type"),
        [("/me", b"{}", "application/json"), ("/me/avatar", RED_PICTURE, "image/jpeg")],
    )
    async def test_of_a_range_is_not_taken_for_the_whole(self, client, path, content, media_type):
        headers = {"Content-Type": media_type, "Content-Range": "bytes 0-9/20", "If-Match": "*"}

        answer = await client.put(path, content=content, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (400, "content_range.unsupported")
