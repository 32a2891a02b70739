"""Changes that others were faster than, where a version or a lock is what holds them apart."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from common.clock import utc_now
from common.ids import new_id
from profile_service.storage.profiles import change_profile, lock_profile
from tests.support.waiting import eventually

ALMOST = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "display_name": "Ada Lovelace",
    "date_of_birth": "1985-12-10",
    "phone_number": "+442079460018",
    "emergency_contact": {"name": "Annabella Byron"},
    "address": {"country": "GB"},
}
WAITING = """
    select count(*) = 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""


@pytest.fixture
def ada():
    return new_id()


@pytest.fixture
async def client(profile_app, ada):
    async with profile_app.client(ada) as client:
        yield client


class TestAChange:
    @pytest.fixture
    def overtaken(self, profile_app, client, ada, superuser):
        async def overtaken(**headers: str) -> httpx.Response:
            """Another device changes the pronouns when this one has read and has not written."""
            async with profile_app.worker.transaction(as_user=ada) as tx:
                present = await lock_profile(tx, user_id=ada)
                late = asyncio.create_task(client.patch("/me", json={"bio": "x"}, headers=headers))
                await eventually(lambda: superuser.fetchval(WAITING))
                await change_profile(
                    tx, replace(present, values={**present.values, "pronouns": "she"}), now=utc_now()
                )
            return await late

        return overtaken

    @staticmethod
    def of_both(answer: httpx.Response) -> bool:
        told = answer.json()
        return (told["pronouns"], told["bio"], told["version"]) == ("she", "x", 3)

    async def test_is_merged_into_what_the_other_wrote(self, client, overtaken):
        await client.patch("/me", json={"first_name": "Ada"})

        assert self.of_both(await overtaken())
        assert self.of_both(await client.get("/me"))

    async def test_that_completes_is_merged_into_what_the_other_wrote(self, client, overtaken):
        await client.patch("/me", json=ALMOST)

        assert self.of_both(await overtaken())
        assert (await client.get("/me/completeness")).json()["completed_at"] is not None

    async def test_of_the_older_version_is_refused(self, client, overtaken):
        await client.patch("/me", json={"first_name": "Ada"})
        late = await overtaken(**{"If-Match": '"v1"'})

        assert (late.status_code, late.headers["ETag"]) == (412, '"v2"')
        assert (await client.get("/me")).json()["bio"] is None

    async def test_of_four_devices_at_once_loses_no_field(self, client):
        names = ["first_name", "last_name", "pronouns", "bio"]

        async with asyncio.timeout(20):
            await asyncio.gather(*(client.patch("/me", json={name: name}) for name in names))

        shown = (await client.get("/me")).json()
        assert [shown[name] for name in names] == names
