from uuid import UUID

import pytest

from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp
from tests.support.waiting import eventually

ADA, PASSWORD = "ada@example.org", "correct horse battery"


@pytest.fixture
async def ada(auth_app: AuthApp, superuser) -> UUID:
    return await add_user(
        superuser, email=ADA, hashed_password=await auth_app.resources.hashing.hash(PASSWORD)
    )


@pytest.fixture
async def client(auth_app, ada):
    tokens = await auth_app.log_in(ADA, PASSWORD)
    async with auth_app.client(tokens["access_token"]) as client:
        yield client


class TestMe:
    async def test_is_the_caller_s_account(self, client, ada):
        answer = await client.get("/me")

        assert answer.status_code == 200
        assert answer.json() | {"created_at": "", "updated_at": ""} == {
            "id": str(ada),
            "email": ADA,
            "full_name": None,
            "timezone": "UTC",
            "language": "en",
            "role": "user",
            "is_active": True,
            "is_verified": True,
            "version": 1,
            "created_at": "",
            "updated_at": "",
        }
        assert answer.headers["ETag"] == '"v1"'

    async def test_is_not_sent_again_to_who_has_it(self, client):
        answer = await client.get("/me", headers={"If-None-Match": '"v1"'})

        assert (answer.status_code, answer.content) == (304, b"")

    async def test_does_not_become_another_version_by_a_login(self, client, auth_app):
        await auth_app.log_in(ADA, PASSWORD)

        assert (await client.get("/me")).headers["ETag"] == '"v1"'


class TestPatch:
    async def test_changes_what_it_names(self, client):
        answer = await client.patch("/me", json={"full_name": "Ada Lovelace", "language": "de"})

        assert answer.headers["ETag"] == '"v2"'
        assert (answer.json()["full_name"], answer.json()["language"]) == ("Ada Lovelace", "de")

    async def test_with_null_takes_away_or_sets_what_it_was_at_first(self, client):
        await client.patch("/me", json={"full_name": "Ada Lovelace", "timezone": "Europe/London"})

        answer = await client.patch("/me", json={"full_name": None, "timezone": None})

        assert (answer.json()["full_name"], answer.json()["timezone"]) == (None, "UTC")

    async def test_that_changes_nothing_makes_no_new_version(self, client):
        assert (await client.patch("/me", json={"language": "en"})).headers["ETag"] == '"v1"'

    async def test_of_an_older_version_is_refused(self, client):
        await client.patch("/me", json={"language": "de"}, headers={"If-Match": '"v1"'})

        answer = await client.patch("/me", json={"language": "fr"}, headers={"If-Match": '"v1"'})

        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
        assert (await client.get("/me")).json()["language"] == "de"

    @pytest.mark.parametrize(
        "patch",
        [
            {"role": "admin"},
            {"is_active": False},
            {"is_verified": True},
            {"email": "eve@example.org"},
            {"version": 9},
            {"hashed_password": "x"},
        ],
        ids=lambda patch: next(iter(patch)),
    )
    async def test_of_what_is_not_the_user_s_to_change_is_refused(self, client, patch):
        answer = await client.patch("/me", json=patch)

        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "field.unknown")
        assert (await client.get("/me")).headers["ETag"] == '"v1"'

    async def test_names_every_fault_at_once(self, client):
        answer = await client.patch(
            "/me", json={"full_name": "x", "timezone": "Mars/Olympus", "language": "english"}
        )

        assert [fault["pointer"] for fault in answer.json()["errors"]] == [
            "/full_name",
            "/timezone",
            "/language",
        ]


class TestDeactivation:
    async def test_ends_every_session_and_lets_nobody_in_again(self, client, auth_app):
        answer = await client.post("/me/deactivate", json={"password": PASSWORD})

        async def is_refused() -> bool:
            return (await client.get("/sessions")).status_code == 401

        assert answer.status_code == 204
        await eventually(is_refused)
        async with auth_app.client() as anybody:
            login = await anybody.post("/login", json={"email": ADA, "password": PASSWORD})
        assert (login.status_code, login.json()["code"]) == (401, "credentials.wrong")

    async def test_asks_for_the_password(self, client):
        answer = await client.post("/me/deactivate", json={"password": "another password"})

        assert (answer.status_code, answer.json()["code"]) == (403, "password.wrong")
        assert (await client.get("/me")).json()["is_active"]

    async def test_is_written_down(self, client, superuser, ada):
        await client.post("/me/deactivate", json={"password": PASSWORD})

        entry = await superuser.fetchrow("select action, user_id from auth.audit_log")
        assert tuple(entry) == ("account.deactivated", ada)
