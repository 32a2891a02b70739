"""Who besides its user sees a picture."""

from base64 import b64decode
from collections.abc import AsyncGenerator
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from common.ids import new_id
from profile_service.api.resources import Resources
from tests.support.avatars import color_of, put
from tests.support.pictures import RED, about
from tests.support.profile_app import ProfileApp


@pytest.fixture
def user() -> UUID:
    return new_id()


@pytest.fixture
async def client(
    profile_app: ProfileApp, resources: Resources, user: UUID
) -> AsyncGenerator[httpx.AsyncClient]:
    async with profile_app.client(user) as client:
        yield client


class TestAvatar:
    async def test_is_shown_to_whoever_is_signed_in(self, client, user, profile_app):
        await put(client)

        async with profile_app.client(new_id()) as another:
            answer = await another.get(f"/users/{user}/avatar")
            again = await another.get(f"/users/{user}/avatar", headers={"If-None-Match": '"v1"'})
            removed = await client.delete("/me/avatar")
            gone = await another.get(f"/users/{user}/avatar")

        assert about(color_of(answer), RED)
        assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == ('"v1"', "private, no-cache")
        assert (again.status_code, again.content) == (304, b"")
        assert (removed.status_code, gone.status_code, gone.json()["code"]) == (204, 404, "avatar.missing")

    async def test_is_changed_by_its_user_alone(self, client, user, profile_app, superuser):
        await put(client)
        async with profile_app.worker.transaction(as_user=new_id()) as tx:
            changed = await tx.execute(sa.text("UPDATE avatars SET blob = NULL"))

        assert changed.rowcount == 0
        assert await superuser.fetchval("select count(blob) from profile.avatars") == 1

    async def test_is_taken_along_by_its_user(self, client, user, profile_app):
        async def exported() -> list[dict[str, str]]:
            async with profile_app.service("users:export") as auth:
                return (await auth.get(f"/users/{user}/export")).json()["data"]["avatar"]

        before = await exported()
        await put(client)
        (told,) = await exported()
        await client.delete("/me/avatar")
        (removed,) = await exported()

        assert (before, told["media_type"]) == ([], "image/webp")
        assert b64decode(told["content_base64"])[8:12] == b"WEBP"
        assert "content_base64" not in removed
