import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from common.clock import utc_now
from common.erasure import remember_erased
from common.ids import new_id
from common.jobs import Runner
from common.postgres.context import Context
from profile_service.api.resources import Resources
from profile_service.domain.pictures import MOST_BYTES
from profile_service.usecases.change_avatar import AvatarChanges
from profile_service.usecases.drawing import AT_ONCE, WAITING
from profile_service.usecases.remove_avatars import AvatarRemoval, ask_to_erase_avatars
from tests.support.avatars import BLUE_PICTURE, JPEG, RED_PICTURE, color_of, put
from tests.support.pictures import BLUE, RED, about, halves, moving, png_that_says, saved
from tests.support.profile_app import ProfileApp
from tests.support.waiting import eventually


@pytest.fixture
def user() -> UUID:
    return new_id()


@pytest.fixture
async def client(
    profile_app: ProfileApp, resources: Resources, user: UUID
) -> AsyncGenerator[httpx.AsyncClient]:
    async with profile_app.client(user) as client:
        yield client


class Worker:
    """profile's, as far as pictures go; jobs of later are due now."""

    def __init__(self, profile_app: ProfileApp, resources: Resources, superuser) -> None:
        removal = AvatarRemoval(profile_app.worker, resources.blobs)
        self._runner = Runner(profile_app.worker, removal.kinds(), poll_seconds=0.02)
        self._superuser = superuser

    async def does_what_is_due(self) -> None:
        await self._until(
            "select count(*) = 0 from profile.jobs where finished_at is null and run_at <= now()"
        )

    async def does_everything(self) -> None:
        await self._superuser.execute("update profile.jobs set run_at = now() where finished_at is null")
        await self.does_what_is_due()

    async def _until(self, fact: str) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(self._runner.run(stop))
        try:
            await eventually(lambda: self._superuser.fetchval(fact))
        finally:
            stop.set()
            await running


@pytest.fixture
def worker(profile_app: ProfileApp, resources: Resources, superuser) -> Worker:
    return Worker(profile_app, resources, superuser)


class TestAvatar:
    async def test_is_missing_before_one_was_put(self, client):
        answer = await client.get("/me/avatar")

        assert (answer.status_code, answer.json()["code"]) == (404, "avatar.missing")

    async def test_is_shown_as_a_webp_for_this_user_s_caches_alone(self, client):
        told = await put(client)
        answer = await client.get("/me/avatar")

        assert (told.status_code, told.content, told.headers["ETag"]) == (204, b"", '"v1"')
        assert about(color_of(answer), RED)
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["Content-Disposition"] == 'inline; filename="avatar.webp"'
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["ETag"] == '"v1"'

    async def test_is_not_sent_to_whoever_has_it(self, client, resources):
        await put(client)
        (name,) = await resources.blobs.names("avatars/")
        await resources.blobs.delete(name)  # the storage is not even asked

        answer = await client.get("/me/avatar", headers={"If-None-Match": '"v1"'})

        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"v1"')

    async def test_is_named_by_its_user_and_what_it_holds(self, client, resources, user, superuser):
        await put(client)

        (name,) = await resources.blobs.names("avatars/")
        assert name.startswith(f"avatars/{user}/")
        assert await superuser.fetchval("select blob from profile.avatars") == name

    async def test_is_everybody_s_own(self, client, profile_app):
        await put(client)

        async with profile_app.client(new_id()) as another:
            assert (await another.get("/me/avatar")).status_code == 404

    async def test_makes_the_profile_of_who_has_none_and_leaves_its_version(self, client):
        await put(client)
        first = (await client.get("/me")).headers["ETag"]
        await put(client, BLUE_PICTURE)

        assert (await client.get("/me")).headers["ETag"] == first == '"v1"'

    async def test_that_the_storage_lost_is_missing_and_mended_by_the_next(self, client, resources):
        await put(client)
        for name in await resources.blobs.names("avatars/"):
            await resources.blobs.delete(name)

        assert (await client.get("/me/avatar")).json()["code"] == "avatar.missing"
        await put(client)
        assert (await client.get("/me/avatar")).status_code == 200


class TestAnother:
    async def test_replaces_the_first_and_its_file_goes(self, client, worker, resources):
        await put(client)
        (first,) = await resources.blobs.names("avatars/")
        told = await put(client, BLUE_PICTURE)
        await worker.does_what_is_due()

        assert told.headers["ETag"] == '"v2"'
        assert about(color_of(await client.get("/me/avatar")), BLUE)
        assert len(await resources.blobs.names("avatars/")) == 1
        assert first not in await resources.blobs.names("avatars/")

    async def test_of_an_older_version_is_refused(self, client, worker, resources):
        await put(client)
        await put(client, BLUE_PICTURE)

        late = await put(client, RED_PICTURE, If_Match='"v1"')

        assert (late.status_code, late.headers["ETag"]) == (412, '"v2"')
        assert (await put(client, RED_PICTURE, If_None_Match="*")).status_code == 412
        assert about(color_of(await client.get("/me/avatar")), BLUE)

    async def test_and_many_at_once_leave_one_that_is_there(self, client, worker, resources):
        answers = await asyncio.gather(*(put(client, one) for one in (RED_PICTURE, BLUE_PICTURE) * 2))
        await worker.does_everything()

        assert {answer.status_code for answer in answers} == {204}
        assert (await client.get("/me/avatar")).headers["ETag"] == '"v4"'
        assert len(await resources.blobs.names("avatars/")) == 1

    async def test_that_comes_while_the_first_is_read_is_shown(self, client, resources, worker, monkeypatch):
        await put(client)
        get = resources.blobs.get

        async def late(name: str) -> bytes | None:
            monkeypatch.setattr(resources.blobs, "get", get)
            await put(client, BLUE_PICTURE)
            await worker.does_what_is_due()
            return await get(name)

        monkeypatch.setattr(resources.blobs, "get", late)
        answer = await client.get("/me/avatar")

        assert (answer.headers["ETag"], about(color_of(answer), BLUE)) == ('"v2"', True)

    async def test_of_the_older_picture_is_safe_from_whoever_removes_its_first_file(
        self, client, resources, worker, monkeypatch
    ):
        await put(client)
        await put(client, BLUE_PICTURE)
        delete = resources.blobs.delete

        async def late(name: str) -> None:
            monkeypatch.setattr(resources.blobs, "delete", delete)
            await put(client)
            await delete(name)

        monkeypatch.setattr(resources.blobs, "delete", late)
        await worker.does_what_is_due()

        assert about(color_of(await client.get("/me/avatar")), RED)

    async def test_that_was_removed_before_has_a_version_that_no_cache_knows(self, client):
        await put(client)
        await client.delete("/me/avatar")

        assert (await put(client, BLUE_PICTURE)).headers["ETag"] == '"v3"'


class TestRemoved:
    async def test_avatar_is_gone_with_its_file(self, client, worker, resources):
        await put(client)
        told = await client.delete("/me/avatar")
        await worker.does_what_is_due()

        assert told.status_code == 204
        assert (await client.get("/me/avatar")).status_code == 404
        assert await resources.blobs.names("avatars/") == []

    async def test_avatar_may_be_removed_again(self, client, superuser):
        assert (await client.delete("/me/avatar")).status_code == 204
        assert await superuser.fetchval("select count(*) from profile.profiles") == 0
        await put(client)
        await client.delete("/me/avatar")

        assert (await client.delete("/me/avatar")).status_code == 204

    async def test_avatar_is_the_one_that_was_seen(self, client):
        assert (await client.delete("/me/avatar", headers={"If-Match": '"v1"'})).status_code == 412
        await put(client)
        await put(client, BLUE_PICTURE)

        assert (await client.delete("/me/avatar", headers={"If-Match": '"v1"'})).status_code == 412
        assert (await client.delete("/me/avatar", headers={"If-Match": '"v2"'})).status_code == 204


class TestBrokenOff:
    """A process that dies leaves at worst a file that nobody names, and that for an hour."""

    @pytest.fixture
    def changes(self, profile_app, resources) -> AvatarChanges:
        return AvatarChanges(profile_app.app.state.database, resources.blobs, utc_now, new_id)

    async def test_before_the_row_was_written_nothing_is_shown(
        self, client, changes, resources, worker, user, monkeypatch
    ):
        await put(client)
        whole = resources.blobs.put

        async def last_breath(name: str, content: bytes) -> None:
            await whole(name, content)
            raise SystemError("killed")

        monkeypatch.setattr(resources.blobs, "put", last_breath)
        with pytest.raises(SystemError, match="killed"):
            await changes.put(b"another picture", user_id=user, check_version=lambda _: None)

        assert about(color_of(await client.get("/me/avatar")), RED)
        assert len(await resources.blobs.names("avatars/")) == 2
        await worker.does_what_is_due()
        assert len(await resources.blobs.names("avatars/")) == 2
        await worker.does_everything()
        assert len(await resources.blobs.names("avatars/")) == 1
        assert (await client.get("/me/avatar")).status_code == 200

    async def test_of_a_user_who_was_erased_meanwhile_leaves_nothing(
        self, client, changes, profile_app, resources, worker, user, monkeypatch
    ):
        whole = resources.blobs.put

        async def erased_meanwhile(name: str, content: bytes) -> None:
            async with profile_app.worker.transaction(as_user=Context.SYSTEM) as tx:
                await remember_erased(tx, [user])
                await ask_to_erase_avatars(tx, [user], now=utc_now())
            await worker.does_what_is_due()
            await whole(name, content)

        await put(client)
        monkeypatch.setattr(resources.blobs, "put", erased_meanwhile)
        await changes.put(b"another picture", user_id=user, check_version=lambda _: None)
        await worker.does_everything()

        assert await resources.blobs.names("avatars/") == []


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "media_type", "status", "code"),
        [
            (b"", "image/png", 422, "avatar.empty"),
            (b"<script>", "image/png", 422, "avatar.not_a_picture"),
            (RED_PICTURE, "image/png", 422, "avatar.type_mismatch"),
            (RED_PICTURE[:300], "image/jpeg", 422, "avatar.unreadable"),
            (png_that_says(9000, 9000), "image/png", 422, "avatar.too_many_pixels"),
            (moving("GIF"), "image/gif", 422, "avatar.animated"),
            (RED_PICTURE, "image/svg+xml", 415, "media_type.unsupported"),
            (RED_PICTURE, "multipart/form-data; boundary=x", 415, "media_type.unsupported"),
            (RED_PICTURE + bytes(MOST_BYTES), "image/jpeg", 413, "body.too_large"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_is_told_by_a_code_and_stores_nothing(
        self, client, resources, superuser, content, media_type, status, code
    ):
        answer = await client.put("/me/avatar", content=content, headers={"Content-Type": media_type})

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert await resources.blobs.names("avatars/") == []
        assert await superuser.fetchval("select count(*) from profile.profiles") == 0

    async def test_is_a_body_that_grows_too_large_without_saying_so(self, client):
        async def pieces():
            for _ in range(6):
                yield bytes(1_048_576)

        answer = await client.put("/me/avatar", content=pieces(), headers=JPEG)

        assert (answer.status_code, answer.json()["code"]) == (413, "body.too_large")

    async def test_is_one_more_than_may_wait_to_be_drawn(self, client, resources):
        let = threading.Event()
        busy = [
            asyncio.ensure_future(resources.drawing._threads.run(let.wait, 30))
            for _ in range(AT_ONCE + WAITING)
        ]
        await eventually(lambda: resources.drawing._threads._taken == len(busy))
        refused = await put(client)
        let.set()
        await asyncio.gather(*busy)

        assert (refused.status_code, refused.json()["code"]) == (503, "avatar.busy")
        assert refused.headers["Retry-After"] == "2"
        assert (await put(client)).status_code == 204

    async def test_is_not_a_picture_of_the_largest_size(self, client):
        content = saved(halves((1200, 900)))

        assert (await put(client, content + bytes(MOST_BYTES - len(content)))).status_code == 204

    async def test_is_everything_while_the_storage_is_away_but_the_rest_of_the_profile(
        self, client, tmp_path: Path
    ):
        (tmp_path / "files").write_text("a file where the folder should be")

        away = await put(client)

        assert (away.status_code, away.json()["code"]) == (503, "storage.unavailable")
        assert away.headers["Retry-After"] == "5"
        assert (await client.get("/me/avatar")).status_code == 404
        assert (await client.patch("/me", json={"bio": "I like engines."})).status_code == 200


class TestErasure:
    async def test_leaves_a_token_that_is_still_valid_nothing_to_store(
        self, client, profile_app, resources, superuser, user
    ):
        async with profile_app.worker.transaction(as_user=Context.SYSTEM) as tx:
            await remember_erased(tx, [user])

        refused = [await put(client), await client.put("/me", json={}, headers={"If-Match": "*"})]

        assert [(one.status_code, one.json()["code"]) for one in refused] == [(404, "user.erased")] * 2
        assert await resources.blobs.names("avatars/") == []
        assert await superuser.fetchval("select count(*) from profile.profiles") == 0

    async def test_removes_every_file_of_the_user_and_nobody_else_s(
        self, client, profile_app, resources, worker, user
    ):
        other = new_id()
        await put(client)
        async with profile_app.client(other) as another:
            await put(another)
        async with profile_app.worker.transaction(as_user=Context.SYSTEM) as tx:
            await ask_to_erase_avatars(tx, [user], now=utc_now())
        await worker.does_what_is_due()

        (left,) = await resources.blobs.names("avatars/")
        assert left.startswith(f"avatars/{other}/")
