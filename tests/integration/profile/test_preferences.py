from typing import get_args

import pytest

from common.ids import new_id
from profile_service.domain.preferences import CHOICES

DEFAULTS = {
    "units": "metric",
    "week_start": "monday",
    "display": {"date": "YYYY-MM-DD", "time": "24h", "number": "1,234.5"},
    "notifications": {"reminders": True, "summaries": True, "news": False},
}
MEMBERS = {"date_display": "date", "time_display": "time", "number_display": "number"}
EVERY_CHOICE = [(name, choice) for name, choices in CHOICES.items() for choice in get_args(choices)]


@pytest.fixture
async def client(profile_app):
    async with profile_app.client(new_id()) as client:
        yield client


class TestPreferences:
    async def test_are_the_defaults_before_anything_was_chosen(self, client, superuser):
        answer = await client.get("/me/preferences")

        assert (answer.json(), answer.headers["ETag"]) == (DEFAULTS, '"v0"')
        assert await superuser.fetchval("select count(*) from profile.preferences") == 0

    async def test_change_by_merging_and_leave_the_profile_s_version(self, client):
        await client.patch("/me/preferences", json={"units": "imperial", "notifications": {"news": True}})
        profile = await client.get("/me")

        changed = await client.patch("/me/preferences", json={"display": {"time": "12h"}, "units": None})

        assert changed.json() == DEFAULTS | {
            "display": {"date": "YYYY-MM-DD", "time": "12h", "number": "1,234.5"},
            "notifications": {"reminders": True, "summaries": True, "news": True},
        }
        assert changed.headers["ETag"] == '"v2"'
        assert (await client.get("/me")).headers["ETag"] == profile.headers["ETag"]
        assert (await client.get("/me/preferences", headers={"If-None-Match": '"v2"'})).status_code == 304

    async def test_of_an_older_version_are_not_changed(self, client):
        await client.patch("/me/preferences", json={"units": "imperial"}, headers={"If-Match": '"v0"'})

        late = await client.patch("/me/preferences", json={"units": None}, headers={"If-Match": '"v0"'})

        assert (late.status_code, late.headers["ETag"]) == (412, '"v1"')

    @pytest.mark.parametrize(("name", "choice"), EVERY_CHOICE)
    async def test_are_stored_as_every_choice(self, client, name, choice):
        patch = {"display": {MEMBERS[name]: choice}} if name in MEMBERS else {name: choice}

        assert (await client.patch("/me/preferences", json=patch)).status_code == 200

    async def test_that_are_none_are_refused_all_at_once(self, client, superuser):
        answer = await client.patch(
            "/me/preferences",
            json={"units": "furlongs", "display": {"time": 24}, "notifications": {"news": "yes", "x": 1}},
        )

        assert {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]} == {
            "/units": "field.not_a_choice",
            "/display/time": "field.not_a_choice",
            "/notifications/news": "field.wrong_type",
            "/notifications/x": "field.unknown",
        }
        assert await superuser.fetchval("select count(*) from profile.profiles") == 0
