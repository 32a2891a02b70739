"""What an erasure shows without a session, and what becomes of a service that does not confirm it."""

from datetime import timedelta
from urllib.parse import urljoin

import pytest

from auth_service.housekeeping import OLDEST_ERASURE, look_at_erasures
from common.clock import utc_now
from common.contracts.erasure import CalendarErased, ChatErased, ProfileErased
from common.postgres.context import Context
from tests.support.erasing import PASSWORD, erased_events
from tests.support.factories import erasure_confirmed

CONFIRMATIONS = (ProfileErased, CalendarErased, ChatErased)


def state_of(erased) -> str:
    return urljoin("http://auth.test", erased.headers["Location"])


class TestTheReceipt:
    @pytest.fixture
    async def erased(self, client):
        return await client.post("/me/erasure", json={"password": PASSWORD})

    @pytest.fixture
    async def stranger(self, auth_app):
        async with auth_app.client() as stranger:
            yield stranger

    async def test_shows_the_state_without_a_session(self, erased, stranger):
        shown = await stranger.get(state_of(erased))

        assert (shown.status_code, shown.json()) == (200, erased.json())
        assert {one["service"] for one in shown.json()["services"]} == {"profile", "calendar", "chat"}
        assert {one["erased_at"] for one in shown.json()["services"]} == {None}

    async def test_tells_of_each_service_and_of_the_end(self, erased, stranger, auth, ada):
        for confirmation in CONFIRMATIONS[:-1]:
            await auth.apply(erasure_confirmed(confirmation, ada))
        between = (await stranger.get(state_of(erased))).json()
        await auth.apply(erasure_confirmed(CONFIRMATIONS[-1], ada))
        after = (await stranger.get(state_of(erased))).json()

        assert (between["state"], between["erased_at"]) == ("erasing", None)
        assert after["state"] == "erased"
        assert {one["erased_at"] for one in after["services"]} == {"2026-11-22T12:00:00.000Z"}

    async def test_stays_the_same_when_a_confirmation_comes_twice(self, erased, stranger, auth, ada):
        await auth.apply(*(erasure_confirmed(one, ada) for one in CONFIRMATIONS))
        closed = (await stranger.get(state_of(erased))).json()

        await auth.apply(*(erasure_confirmed(one, ada) for one in CONFIRMATIONS))

        assert (await stranger.get(state_of(erased))).json() == closed

    @pytest.mark.parametrize("wrong", ["qe1_", "x" * 50, "qe1_" + "A" * 43, "qe1_é"])
    async def test_that_was_not_given_here_shows_nothing(self, stranger, wrong):
        answer = await stranger.get("/me/erasure", params={"receipt": wrong})

        assert (answer.status_code, answer.json()["code"]) == (404, "erasure.not_found")

    async def test_of_another_user_cannot_be_made_from_ones_own(self, erased, stranger):
        receipt = erased.json()["receipt"]
        forged = receipt[:26] + ("A" if receipt[26] != "A" else "B") * 21

        assert (await stranger.get("/me/erasure", params={"receipt": forged})).status_code == 404


class TestAServiceThatDoesNotConfirm:
    @pytest.fixture
    def housekeeping(self, databases):
        """One turn of what auth's worker does about erasures, so many hours from now."""

        async def turn(hours: float) -> None:
            async with databases("auth", "worker").transaction(as_user=Context.SYSTEM) as tx:
                await look_at_erasures(tx, utc_now() + timedelta(hours=hours))

        return turn

    async def test_is_told_again_every_six_hours_until_it_has(
        self, client, ada, auth, superuser, housekeeping
    ):
        await client.post("/me/erasure", json={"password": PASSWORD})
        told = [len(await erased_events(superuser))]

        for hours in (1, 7, 8, 14):
            await housekeeping(hours)
            told.append(len(await erased_events(superuser)))
        await auth.apply(*(erasure_confirmed(one, ada) for one in CONFIRMATIONS))
        await housekeeping(30)
        told.append(len(await erased_events(superuser)))

        assert told == [1, 1, 2, 2, 3, 3]
        first, *others = await erased_events(superuser)
        assert others == [first] * 2

    async def test_is_seen_by_the_age_of_the_oldest_erasure(self, client, ada, auth, housekeeping):
        await client.post("/me/erasure", json={"password": PASSWORD})

        await housekeeping(2)
        waiting = OLDEST_ERASURE.collect()[0].samples[0].value
        await auth.apply(*(erasure_confirmed(one, ada) for one in CONFIRMATIONS))
        await housekeeping(2)

        assert waiting == pytest.approx(7200, abs=120)
        assert OLDEST_ERASURE.collect()[0].samples[0].value == 0


class TestAConfirmation:
    async def test_of_nobody_who_asked_changes_nothing(self, auth, superuser, ada):
        await auth.apply(erasure_confirmed(ProfileErased, ada))

        assert await superuser.fetchval("select count(*) from auth.erasures") == 0
