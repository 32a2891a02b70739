"""How an export comes to be: every service asked once, whatever is away or killed meanwhile."""

import asyncio

import pytest

from common.contracts.topics import SERVICES
from common.jobs import Control, LeaseLost
from tests.support.erasing import ADA, PASSWORD, Applying
from tests.support.exporting import PORTS, contents, parts_behind
from tests.support.factories import user_registered
from tests.support.waiting import eventually


@pytest.fixture
async def asked(client, exporting) -> str:
    """Where the export is that ada has asked for."""
    return f"/me/exports/{(await client.post('/me/exports')).json()['id']}"


@pytest.fixture
def is_ready(client, asked):
    async def is_ready() -> bool:
        return (await client.get(asked)).json()["state"] == "ready"

    return is_ready


class TestMaking:
    async def test_puts_together_what_every_service_holds(
        self, client, asked, is_ready, exporting, databases, ada
    ):
        for service in SERVICES[1:]:
            await Applying(service, databases).apply(user_registered(ada))
        await exporting.works_until(is_ready)
        told = (await client.get(asked)).json()
        parts = contents(await client.get(f"{asked}/file"))

        assert parts.keys() == {"export.json", *(f"{service}.json" for service in SERVICES)}
        assert [part["state"] for part in told["services"]] == ["told"] * 4
        assert told["progress"] == {"done": 4, "total": 4}
        assert {parts[f"{service}.json"]["user_id"] for service in SERVICES} == {str(ada)}
        assert parts["auth.json"]["data"]["account"][0]["email"] == ADA
        assert parts["profile.json"]["data"]["profile"]
        assert parts["calendar.json"]["data"]["categories"]
        assert list(parts["export.json"]["services"]) == sorted(SERVICES)

    async def test_tells_the_user_by_mail_and_writes_it_down(self, is_ready, exporting, ada):
        await exporting.works_until(is_ready)

        assert await exporting.mails() == ["export_ready"]
        assert await exporting.actions(ada) == ["export.asked", "user.exported", "export.ready"]

    async def test_goes_on_with_the_others_while_a_service_is_away_and_asks_none_twice(
        self, client, asked, is_ready, exporting
    ):
        exporting.doors["profile"].refuses = True

        async def waits_for_one() -> bool:
            return (await client.get(asked)).json()["progress"]["done"] == 3

        await exporting.works_until(waits_for_one)
        states = {part["service"]: part["state"] for part in (await client.get(asked)).json()["services"]}
        exporting.doors["profile"].refuses = False
        await exporting.works_until(is_ready)

        assert states == {"auth": "told", "profile": "waiting", "calendar": "told", "chat": "told"}
        assert [exporting.doors[name].asked for name in ("auth", "calendar", "chat")] == [1, 1, 1]

    async def test_does_not_wait_for_a_service_that_is_silent(self, client, asked, exporting, auth_app):
        exporting.parts = parts_behind(exporting.doors, auth_app, seconds=1.0)
        exporting.doors["auth"].opens.clear()

        async def waits_for_one() -> bool:
            return (await client.get(asked)).json()["progress"]["done"] == 3

        await exporting.works_until(waits_for_one)
        exporting.doors["auth"].opens.set()

    async def test_names_a_service_as_absent_that_is_not_installed(
        self, client, asked, is_ready, exporting, auth_app
    ):
        exporting.parts = parts_behind(exporting.doors, auth_app, {**PORTS, "chat": None})
        await exporting.works_until(is_ready)
        parts = contents(await client.get(f"{asked}/file"))

        told = (await client.get(asked)).json()["services"][-1]
        assert told == {"service": "chat", "state": "absent", "told_at": None}
        assert "chat.json" not in parts
        assert parts["export.json"]["services"]["chat"] is None

    async def test_of_more_than_anybody_should_carry_fails_and_may_be_asked_for_again(
        self, client, asked, exporting, auth_app
    ):
        exporting.parts = parts_behind(exporting.doors, auth_app, most_bytes=10)
        await exporting.works_until_done()

        assert (await client.get(asked)).json()["state"] == "failed"
        assert (await client.get(f"{asked}/file")).json()["code"] == "export.not_ready"
        assert (await client.post("/me/exports")).json()["state"] == "making"

    async def test_waits_for_a_storage_that_is_away(self, client, asked, is_ready, exporting, files_away):
        there, exporting.files = exporting.files, files_away

        async def has_failed() -> bool:
            error = await exporting.superuser.fetchval("select error from auth.jobs where kind = 'export'")
            return error is not None and error.startswith("storage.unavailable")

        await exporting.works_until(has_failed)
        assert (await client.get(asked)).json()["progress"]["done"] == 0
        exporting.files = there
        await exporting.works_until(is_ready)


class TestAKilledWorker:
    @pytest.mark.parametrize("survived", range(5))
    async def test_is_followed_by_one_that_makes_the_rest(self, client, asked, is_ready, exporting, survived):
        """Four parts and the end: killed in the commit of each, when the file is there already."""
        await exporting.is_killed_after(survived)
        left_off = (await client.get(asked)).json()["progress"]["done"]
        await exporting.works_until(is_ready)
        times = [exporting.doors[service].asked for service in SERVICES]

        assert left_off == survived
        assert times == [2 if place == survived else 1 for place in range(4)]
        assert len(contents(await client.get(f"{asked}/file"))) == 5
        assert await exporting.mails() == ["export_ready"]

    async def test_that_comes_to_life_again_changes_nothing(self, client, asked, is_ready, exporting):
        exporting.doors["chat"].opens.clear()
        job = await exporting.claimed()
        sleeper = asyncio.create_task(exporting.making.body(job, Control(exporting.database, job)))
        await eventually(lambda: exporting.doors["chat"].asked)
        await exporting.lease_runs_out()
        exporting.doors["chat"].opens.set()
        # both are at it: the one that lost the lease comes first, last or in between
        await exporting.works_until(is_ready)
        before = (await client.get(asked)).json()
        with pytest.raises(LeaseLost):
            await sleeper

        assert (await client.get(asked)).json() == before
        assert await exporting.mails() == ["export_ready"]


class TestAnErasure:
    async def test_ends_the_making_and_leaves_no_file(self, client, asked, exporting, superuser, blobs, ada):
        exporting.doors["chat"].opens.clear()
        job = await exporting.claimed()
        body = asyncio.create_task(exporting.making.body(job, Control(exporting.database, job)))
        await eventually(lambda: exporting.doors["chat"].asked)
        assert len(await blobs.names("exports/")) == 3

        await client.post("/me/erasure", json={"password": PASSWORD})
        await exporting.works_until_done()
        exporting.doors["chat"].opens.set()
        with pytest.raises(LeaseLost):
            await body

        assert await superuser.fetchval("select count(*) from auth.exports") == 0
        # the last file was on its way while the others were removed: it is unreadable, and goes in an hour
        assert len(await blobs.names("exports/")) == 1
        await superuser.execute("update auth.jobs set run_at = now() where finished_at is null")
        await exporting.works_until_done()
        assert await blobs.names("exports/") == []
        assert await exporting.mails() == ["account_erased"]

    async def test_leaves_a_job_nothing_to_do_that_has_not_begun(self, client, exporting, superuser):
        await client.post("/me/exports")
        job = await exporting.claimed()
        await client.post("/me/erasure", json={"password": PASSWORD})

        assert await exporting.making.body(job, Control(exporting.database, job)) == {"ready": False}
        assert {door.asked for door in exporting.doors.values()} == {0}
