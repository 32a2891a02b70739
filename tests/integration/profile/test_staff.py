"""Whoever of the staff looks at a user leaves a trace."""

import json

import pytest

from common.ids import new_id
from tests.support.factories import user_registered


@pytest.fixture
async def ada(profile_app):
    user_id = new_id()
    await profile_app.hear(user_registered(user_id))
    return user_id


async def looks(superuser) -> list[dict[str, object]]:
    rows = await superuser.fetch("select actor, action, user_id, data from profile.audit_log order by id")
    return [{**row, "data": json.loads(row["data"])} for row in rows]


class TestALookOfTheStaff:
    @pytest.mark.parametrize("role", ["staff", "admin"])
    async def test_shows_the_profile_as_its_user_sees_it_and_is_written_down(
        self, profile_app, ada, superuser, role
    ):
        staff_id = new_id()
        async with profile_app.client(staff_id, role) as staff, profile_app.client(ada) as user:
            answer = await staff.get(f"/admin/users/{ada}")
            own = await user.get("/me")

        assert (answer.status_code, answer.json()) == (200, own.json())
        assert answer.headers["Cache-Control"] == "no-store"
        assert await looks(superuser) == [
            {
                "actor": f"user:{staff_id}",
                "action": "profile.viewed",
                "user_id": ada,
                "data": {"found": True},
            }
        ]

    async def test_at_the_headers_alone_is_written_down_too(self, profile_app, ada, superuser):
        async with profile_app.client(new_id(), "staff") as staff:
            answer = await staff.head(f"/admin/users/{ada}")

        assert (answer.status_code, answer.content) == (200, b"")
        assert [look["user_id"] for look in await looks(superuser)] == [ada]

    async def test_that_finds_nobody_is_written_down_too(self, profile_app, superuser):
        nobody = new_id()
        async with profile_app.client(new_id(), "staff") as staff:
            answer = await staff.get(f"/admin/users/{nobody}")

        assert (answer.status_code, answer.json()["code"]) == (404, "profile.not_found")
        assert [(look["user_id"], look["data"]) for look in await looks(superuser)] == [
            (nobody, {"found": False})
        ]

    async def test_is_not_shown_when_it_cannot_be_written_down(self, profile_app, ada, superuser):
        await superuser.execute(
            "alter table profile.audit_log add constraint planted check (action <> 'profile.viewed')"
        )
        try:
            async with profile_app.client(new_id(), "staff") as staff:
                answer = await staff.get(f"/admin/users/{ada}")
        finally:
            await superuser.execute("alter table profile.audit_log drop constraint planted")

        assert answer.status_code == 500
        assert "Ada" not in answer.text

    async def test_is_for_nobody_else(self, profile_app, ada, superuser):
        async with profile_app.client(new_id()) as user:
            answer = await user.get(f"/admin/users/{ada}")

        assert (answer.status_code, answer.json()["code"]) == (403, "role.missing")
        assert await looks(superuser) == []
