from uuid import UUID

import httpx
import pytest

from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp
from tests.support.waiting import eventually

PASSWORD = "correct horse battery"
ADA = "ada@example.org"


@pytest.fixture
async def ada(auth_app: AuthApp, superuser) -> UUID:
    return await add_user(
        superuser, email=ADA, hashed_password=await auth_app.resources.hashing.hash(PASSWORD)
    )


@pytest.fixture
async def laptop(auth_app, ada):
    return await auth_app.log_in(ADA, PASSWORD, device_label="laptop")


@pytest.fixture
async def phone(auth_app, ada):
    return await auth_app.log_in(ADA, PASSWORD, device_label="phone")


@pytest.fixture
async def client(auth_app, laptop):
    async with auth_app.client(laptop["access_token"]) as client:
        yield client


async def labels(client: httpx.AsyncClient) -> list[str | None]:
    return [session["label"] for session in (await client.get("/sessions")).json()["items"]]


async def is_refused(auth_app: AuthApp, tokens: dict[str, str]) -> bool:
    async with auth_app.client(tokens["access_token"]) as client:
        return (await client.get("/sessions")).status_code == 401


class TestSessions:
    async def test_are_listed_with_what_tells_them_apart(self, client, laptop, phone):
        items = (await client.get("/sessions")).json()["items"]

        assert [(item["label"], item["current"]) for item in items] == [("phone", False), ("laptop", True)]
        assert items[1]["id"] == laptop["session_id"]
        assert items[1]["amr"] == ["pwd"]

    async def test_tell_a_network_and_not_an_address(self, client):
        (item,) = (await client.get("/sessions")).json()["items"]

        assert item["network"] == "127.0.0.0/24"

    async def test_are_shown_one_by_one(self, client, phone):
        answer = await client.get(f"/sessions/{phone['session_id']}")

        assert answer.json()["label"] == "phone"

    async def test_of_others_are_not_there(self, client, auth_app, superuser):
        stored = await auth_app.resources.hashing.hash(PASSWORD)
        await add_user(superuser, email="bob@example.org", hashed_password=stored)
        bobs = await auth_app.log_in("bob@example.org", PASSWORD)

        shown = await client.get(f"/sessions/{bobs['session_id']}")
        ended = await client.delete(f"/sessions/{bobs['session_id']}")

        assert [shown.status_code, ended.status_code] == [404, 404]
        assert not await is_refused(auth_app, bobs)

    async def test_are_called_what_the_user_calls_them(self, client, laptop):
        answer = await client.patch(f"/sessions/{laptop['session_id']}", json={"label": "old laptop"})

        assert answer.json()["label"] == "old laptop"
        assert await labels(client) == ["old laptop"]

    @pytest.mark.parametrize(
        ("patch", "code"),
        [
            ({"label": ""}, "field.too_short"),
            ({"label": "x" * 101}, "field.too_long"),
            ({"label": "a\x00b"}, "text.unreadable"),
            ({"amr": ["otp"]}, "field.unknown"),
            ({"user_id": "0"}, "field.unknown"),
        ],
    )
    async def test_are_changed_in_nothing_else(self, client, laptop, patch, code):
        answer = await client.patch(f"/sessions/{laptop['session_id']}", json=patch)

        assert answer.status_code == 422
        assert [fault["code"] for fault in answer.json()["errors"]] == [code]


class TestWhatADeviceCallsItself:
    @pytest.mark.parametrize(
        ("agent", "shown"),
        [
            (b"x" * 8_192, "x" * 512),
            (b"\x1b[31mBrowser\x00\r 7", "[31mBrowser 7"),
            (b"\x00", None),
            (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        ],
        ids=["endless", "controls", "nothing", "script"],
    )
    async def test_is_kept_as_far_as_it_can_be_shown(self, auth_app, ada, agent, shown):
        async with auth_app.client() as client:
            body = {"email": ADA, "password": PASSWORD}
            answer = await client.post("/login", json=body, headers={b"User-Agent": agent})
        async with auth_app.client(answer.json()["access_token"]) as client:
            (session,) = (await client.get("/sessions")).json()["items"]

        assert session["user_agent"] == shown

    @pytest.mark.parametrize("label", ["gnp\u202eexe", "a\nb", " \u200d "])
    async def test_is_nothing_that_lists_would_show_as_something_else(self, auth_app, ada, label):
        tokens = await auth_app.log_in(ADA, PASSWORD)
        async with auth_app.client(tokens["access_token"]) as client:
            answer = await client.patch(f"/sessions/{tokens['session_id']}", json={"label": label})

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/label")


class TestEnding:
    async def test_one_session_leaves_the_others(self, client, auth_app, phone):
        answer = await client.delete(f"/sessions/{phone['session_id']}")

        assert answer.status_code == 204
        await eventually(lambda: is_refused(auth_app, phone))
        assert await labels(client) == ["laptop"]

    async def test_all_others_spares_the_one_that_asks(self, client, auth_app, phone):
        answer = await client.delete("/sessions")

        assert answer.status_code == 204
        await eventually(lambda: is_refused(auth_app, phone))
        assert await labels(client) == ["laptop"]

    async def test_twice_is_not_found_the_second_time(self, client, phone):
        await client.delete(f"/sessions/{phone['session_id']}")

        answer = await client.delete(f"/sessions/{phone['session_id']}")

        assert (answer.status_code, answer.json()["code"]) == (404, "session.not_found")

    async def test_ends_its_refresh_token_at_once(self, client, auth_app, phone):
        await client.delete(f"/sessions/{phone['session_id']}")

        async with auth_app.client() as anybody:
            answer = await anybody.post("/token/refresh", json={"refresh_token": phone["refresh_token"]})

        assert (answer.status_code, answer.json()["code"]) == (401, "session.ended")
