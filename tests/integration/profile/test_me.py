import asyncio
from itertools import count

import pytest

from common.ids import new_id
from profile_service.domain.fields import FIELDS
from tests.support.factories import user_registered

BOTH_READINGS = ["1990-03-04", "1990-04-03"]
COMPLETE = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "display_name": "Ada Lovelace",
    "bio": "I like engines.",
    "date_of_birth": "1985-12-10",
    "phone_number": "+442079460018",
    "emergency_contact": {"name": "Annabella Byron"},
    "address": {"country": "GB"},
}


@pytest.fixture
def ada():
    return new_id()


@pytest.fixture
async def client(profile_app, ada):
    async with profile_app.client(ada) as client:
        yield client


async def told(superuser) -> list[str]:
    rows = await superuser.fetch("select type from profile.outbox order by position")
    return [row["type"] for row in rows]


def codes(answer) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]}


class TestAUserWithoutAProfile:
    async def test_is_shown_the_defaults_and_nothing_is_written(self, client, ada, superuser):
        answer = await client.get("/me")

        assert (answer.status_code, answer.headers["ETag"]) == (200, '"v0"')
        assert answer.json()["user_id"] == str(ada)
        assert {value for name, value in answer.json().items() if name not in {"user_id", "version"}} == {
            None
        }
        assert await superuser.fetchval("select count(*) from profile.profiles") == 0

    async def test_gets_one_by_the_event(self, profile_app, client, ada, superuser):
        await profile_app.hear(user_registered(ada))

        shown = (await client.get("/me")).json()
        assert (shown["display_name"], shown["timezone"], shown["language"], shown["version"]) == (
            *("Ada Lovelace", "Europe/London", "en"),
            1,
        )
        assert await told(superuser) == ["profile.created"]

    async def test_gets_one_by_the_first_change_and_the_event_adds_what_it_knows(
        self, profile_app, client, ada, superuser
    ):
        changed = await client.patch("/me", json={"first_name": "Ada"}, headers={"If-Match": '"v0"'})
        await profile_app.hear(user_registered(ada))

        assert (changed.status_code, changed.headers["ETag"]) == (200, '"v1"')
        shown = (await client.get("/me")).json()
        assert (shown["first_name"], shown["display_name"]) == ("Ada", "Ada Lovelace")
        assert (shown["timezone"], shown["language"]) == ("Europe/London", "en")
        assert await told(superuser) == ["profile.created"]

    async def test_who_was_refused_still_has_none(self, client, superuser):
        assert codes(await client.patch("/me", json={"first_name": ""})) == {"/first_name": "text.blank"}

        assert await superuser.fetchval("select count(*) from profile.profiles") == 0
        assert await told(superuser) == []

    async def test_keeps_what_they_called_themselves_before_the_event(self, profile_app, client, ada):
        await client.patch("/me", json={"display_name": "Countess"})
        await profile_app.hear(user_registered(ada))

        assert (await client.get("/me")).json()["display_name"] == "Countess"


class TestTheEvent:
    async def test_that_comes_twice_changes_nothing_the_second_time(
        self, profile_app, client, ada, superuser
    ):
        event = user_registered(ada)
        await profile_app.hear(event)
        await client.patch("/me", json={"display_name": None})

        await profile_app.hear(event)

        shown = await client.get("/me")
        assert (shown.json()["display_name"], shown.headers["ETag"]) == (None, '"v2"')
        assert await told(superuser) == ["profile.created"]

    async def test_with_a_name_that_breaks_the_rules_makes_the_profile_without_it(
        self, profile_app, client, ada
    ):
        await profile_app.hear(user_registered(ada, full_name="Ada\u202egnp"))

        shown = (await client.get("/me")).json()
        assert (shown["display_name"], shown["language"]) == (None, "en")

    async def test_racing_the_first_changes_leaves_one_profile_with_all_of_it(
        self, profile_app, client, ada, superuser
    ):
        async with asyncio.timeout(20):
            *answers, _ = await asyncio.gather(
                client.patch("/me", json={"first_name": "Ada"}),
                client.patch("/me", json={"last_name": "Lovelace"}),
                client.patch("/me", json={"bio": "x"}),
                client.patch("/me/preferences", json={"units": "imperial"}),
                profile_app.hear(user_registered(ada)),
            )

        assert [answer.status_code for answer in answers] == [200] * 4
        shown = (await client.get("/me")).json()
        assert [shown[name] for name in ("first_name", "last_name", "bio", "display_name", "language")] == [
            *("Ada", "Lovelace", "x", "Ada Lovelace", "en")
        ]
        assert await told(superuser) == ["profile.created"]


class TestPatch:
    async def test_merges_removes_and_leaves(self, client):
        await client.patch(
            "/me", json={"bio": "x", "emergency_contact": {"name": "Annabella", "phone": "+442079460018"}}
        )

        answer = await client.patch(
            "/me", json={"bio": None, "emergency_contact": {"relationship": "mother"}}
        )

        assert answer.json()["bio"] is None
        assert answer.json()["emergency_contact"] == {
            "name": "Annabella",
            "relationship": "mother",
            "phone": "+442079460018",
            "email": None,
        }

    async def test_is_checked_as_the_merged_document(self, client):
        await client.patch("/me", json={"emergency_contact": {"name": "Annabella", "relationship": "mother"}})

        refused = await client.patch("/me", json={"emergency_contact": {"name": None}})

        assert codes(refused) == {"/emergency_contact/name": "emergency_contact.name_missing"}
        assert (await client.patch("/me", json={"emergency_contact": None})).json()[
            "emergency_contact"
        ] is None

    async def test_that_changes_nothing_makes_no_new_version(self, client):
        first = await client.patch("/me", json={"github": "ada"})

        assert (await client.patch("/me", json={"github": "@ADA"})).headers["ETag"] == first.headers["ETag"]

    async def test_does_not_check_anew_what_it_leaves(self, client, ada, superuser):
        await client.patch("/me", json={"phone_number": "+442079460018"})
        # as if the plan of numbers had changed since
        await superuser.execute("update profile.profiles set phone_number = '+19999999999'")

        assert (await client.patch("/me", json={"bio": "x"})).status_code == 200
        assert codes(await client.patch("/me", json={"work_phone": "+19999999999"})) == {
            "/work_phone": "phone.invalid"
        }

    async def test_of_two_devices_that_saw_the_same_goes_through_once(self, client):
        await client.patch("/me", json={"bio": "first"})

        async with asyncio.timeout(20):
            answers = await asyncio.gather(
                *(client.patch("/me", json={"bio": f"{n}"}, headers={"If-Match": '"v1"'}) for n in range(4))
            )

        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
        assert {answer.headers["ETag"] for answer in answers} == {'"v2"'}

    async def test_of_two_first_devices_goes_through_once(self, client):
        async with asyncio.timeout(20):
            answers = await asyncio.gather(
                *(client.patch("/me", json={"bio": f"{n}"}, headers={"If-Match": '"v0"'}) for n in range(4))
            )

        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


class TestPut:
    async def test_without_if_match_is_refused(self, client):
        assert (await client.put("/me", json={})).status_code == 428

    async def test_replaces_and_takes_what_was_shown(self, client):
        shown = (await client.patch("/me", json=COMPLETE)).json()
        del shown["bio"]

        answer = await client.put("/me", json=shown | {"pronouns": "she"}, headers={"If-Match": '"v1"'})

        assert (answer.status_code, answer.headers["ETag"]) == (200, '"v2"')
        assert (answer.json()["bio"], answer.json()["pronouns"]) == (None, "she")

    async def test_of_an_older_version_is_refused(self, client):
        await client.patch("/me", json={"bio": "x"})

        answer = await client.put("/me", json={}, headers={"If-Match": '"v0"'})

        assert (answer.status_code, answer.headers["ETag"]) == (412, '"v1"')

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("user_id", "019aa0b1-7c00-7c11-8a52-6d1f00c3a001"),
            ("version", True),
            ("timezone", "UTC"),
            ("created_at", "x"),
        ],
    )
    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    async def test_changes_nothing_that_is_only_shown(self, client, method, name, value):
        answer = await client.request(method, "/me", json={name: value}, headers={"If-Match": '"v0"'})

        assert codes(answer) == {f"/{name}": "field.read_only"}


class TestFaults:
    async def test_are_told_all_at_once(self, client):
        answer = await client.patch(
            "/me",
            json={
                "first_name": 7,
                "date_of_birth": "03/04/1990",
                "phone_number": "020 7946 0018",
                "website": "http://example.org",
                "emergency_contact": {"phone": "x", "a/b": 1},
                "address": "London",
                "unknown": {},
            },
        )

        assert codes(answer) == {
            "/first_name": "field.wrong_type",
            "/date_of_birth": "date.ambiguous",
            "/phone_number": "phone.region_required",
            "/website": "url.not_https",
            "/emergency_contact/phone": "phone.invalid",
            "/emergency_contact/a~1b": "field.unknown",
            "/emergency_contact/name": "emergency_contact.name_missing",
            "/address": "field.wrong_type",
            "/unknown": "field.unknown",
        }

    async def test_of_an_ambiguous_date_name_both_readings(self, client):
        answer = await client.post("/me/validate", json={"date_of_birth": "03/04/1990"})

        assert answer.json()["errors"][0]["choices"] == BOTH_READINGS

    async def test_are_gone_with_a_hint(self, client):
        patch = {"date_of_birth": "03/04/1990", "phone_number": "020 7946 0018"}

        answer = await client.patch("/me?date_format=DD/MM/YYYY&region=gb", json=patch)
        by_address = await client.patch(
            "/me", json={"work_phone": "020 7946 0019", "address": {"country": "gb"}}
        )

        assert (answer.json()["date_of_birth"], answer.json()["phone_number"]) == (
            "1990-04-03",
            "+442079460018",
        )
        assert by_address.json()["work_phone"] == "+442079460019"


class TestValidate:
    async def test_answers_as_a_change_would_and_stores_nothing(self, client, superuser):
        answer = await client.post("/me/validate", json={"first_name": " Ada ", "github": "@Ada"})

        assert (answer.json()["first_name"], answer.json()["github"]) == ("Ada", "https://github.com/ada")
        assert codes(await client.post("/me/validate", json={"bio": ""})) == {"/bio": "text.blank"}
        assert await superuser.fetchval("select count(*) from profile.profiles") == 0


class TestReading:
    async def test_what_the_caller_has_is_304(self, client):
        await client.patch("/me", json={"bio": "x"})

        answer = await client.get("/me", headers={"If-None-Match": '"v1"'})

        assert (answer.status_code, answer.content) == (304, b"")


class TestCompleteness:
    async def test_is_told_once_when_all_that_counts_is_said(self, client, superuser):
        numbers = count(1)
        for name, value in COMPLETE.items():
            await client.patch("/me", json={name: value, "pronouns": f"{next(numbers)}"})
        complete = (await client.get("/me/completeness")).json()
        await client.patch("/me", json={"bio": None})
        less = (await client.get("/me/completeness")).json()
        await client.patch("/me", json={"bio": "again"})

        assert (complete["score"], complete["missing"]) == (100, [])
        assert (less["score"], less["missing"]) == (85, ["/bio"])
        assert less["completed_at"] == complete["completed_at"] is not None
        assert await told(superuser) == ["profile.created", "profile.completed"]

    async def test_of_a_first_change_is_told_with_the_profile(self, client, superuser):
        made = await client.put("/me", json=COMPLETE, headers={"If-Match": '"v0"'})

        assert (made.json()["version"], await told(superuser)) == (
            1,
            ["profile.created", "profile.completed"],
        )
        assert (await client.get("/me/completeness")).json()["completed_at"] == made.json()["created_at"]


class TestThePublicProfile:
    async def test_shows_public_fields_alone_to_others(self, profile_app, client, ada):
        everything = {field.name: field.example for field in FIELDS if field.group is None}
        await client.patch("/me", json=everything)

        async with profile_app.client(new_id()) as other:
            answer = await other.get(f"/users/{ada}")

        public = {field.name: field.example for field in FIELDS if field.visibility == "public"}
        assert answer.json() == {"user_id": str(ada), **public}

    async def test_has_a_version_that_tells_nothing_of_private_changes(self, profile_app, client, ada):
        await client.patch("/me", json={"display_name": "Ada"})
        before = (await client.get(f"/users/{ada}")).headers["ETag"]
        await client.patch("/me", json={"date_of_birth": "1985-12-10", "phone_number": "+442079460018"})
        await profile_app.hear(user_registered(ada))

        answer = await client.get(f"/users/{ada}", headers={"If-None-Match": before})

        assert (answer.status_code, (await client.get("/me")).json()["version"]) == (304, 3)

    async def test_follows_in_the_same_transaction(self, profile_app, client, ada):
        await profile_app.hear(user_registered(ada))
        registered = (await client.get(f"/users/{ada}")).json()
        await client.patch("/me", json={"display_name": None})

        assert registered["display_name"] == "Ada Lovelace"
        assert (await client.get(f"/users/{ada}")).json()["display_name"] is None

    async def test_of_nobody_is_404(self, client):
        answer = await client.get(f"/users/{new_id()}")

        assert (answer.status_code, answer.json()["code"]) == (404, "profile.not_found")
