from uuid import UUID

import pytest

from common.contracts.topics import SERVICES
from tests.support.exporting import contents
from tests.support.gateway import Gateway, Newcomer
from tests.support.waiting import eventually


async def ready(gateway: Gateway, who: Newcomer, path: str) -> dict:
    """The answer, once the registration has arrived at that service."""

    async def answer():
        found = await gateway.get(path, who)
        assert found.status_code == 200, found.text
        return found.json()

    return await eventually(answer)


async def profile_of(gateway: Gateway, who: Newcomer) -> dict:
    """As soon as it is there: before, everything of it is null."""

    async def answer():
        profile = (await gateway.get("/api/v1/profile/me", who)).json()
        assert profile["version"] >= 1
        return profile

    return await eventually(answer)


class TestNewcomer:
    async def test_gets_a_profile_from_what_they_registered_with(self, gateway):
        ada = await gateway.newcomer(full_name="Ada Lovelace", timezone="Europe/London", language="en")

        profile = await profile_of(gateway, ada)

        assert profile["display_name"] == "Ada Lovelace"
        assert profile["timezone"] == "Europe/London"
        assert profile["language"] == "en"
        assert UUID(profile["user_id"]).version == 7

    async def test_gets_categories(self, gateway):
        ada = await gateway.newcomer()

        async def categories():
            return (await gateway.get("/api/v1/calendar/categories", ada)).json()["items"]

        assert all(category["name"] for category in await eventually(categories))

    async def test_may_start_to_practise(self, gateway):
        ada = await gateway.newcomer()

        usage = await ready(gateway, ada, "/api/v1/chat/usage")

        assert usage["messages"] == 0

    async def test_sees_their_own_rows_only(self, gateway):
        ada = await gateway.newcomer(full_name="Ada Lovelace")
        grace = await gateway.newcomer(full_name="Grace Hopper")

        assert (await profile_of(gateway, ada))["display_name"] == "Ada Lovelace"
        assert (await profile_of(gateway, grace))["display_name"] == "Grace Hopper"

    async def test_gets_the_same_answer_when_the_address_is_taken(self, gateway):
        ada = await gateway.newcomer()

        again = await gateway.register(ada.email.upper(), "another password entirely")
        fresh = await gateway.register(f"new-{ada.email}")

        assert (
            (again.status_code, again.json())
            == (fresh.status_code, fresh.json())
            == (
                202,
                {"status": "check_your_mail"},
            )
        )
        assert (await gateway.log_in(ada.email)).status_code == 200

    async def test_is_refused_with_a_wrong_password_as_a_stranger_is(self, gateway):
        ada = await gateway.newcomer()

        wrong = await gateway.log_in(ada.email, "not the password")
        unknown = await gateway.log_in("nobody@example.org", "not the password")

        assert wrong.status_code == unknown.status_code == 401
        assert wrong.json()["code"] == unknown.json()["code"]
        assert wrong.json()["detail"] == unknown.json()["detail"]


class TestToken:
    @pytest.mark.parametrize(
        "path", ["/api/v1/profile/me", "/api/v1/calendar/categories", "/api/v1/chat/usage"]
    )
    async def test_is_asked_for(self, gateway, path):
        answer = await gateway.get(path)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    async def test_is_refused_when_a_letter_of_it_changed(self, gateway):
        ada = await gateway.newcomer()
        head, body, signature = ada.token.split(".")
        other = "A" if signature[10] != "A" else "B"
        forged = Newcomer(ada.email, ada.password, f"{head}.{body}.{signature[:10]}{other}{signature[11:]}")

        assert (await gateway.get("/api/v1/profile/me", forged)).status_code == 401

    async def test_is_checked_with_keys_that_everybody_may_read(self, gateway):
        keys = (await gateway.get("/.well-known/jwks.json")).json()["keys"]

        assert {key["kty"] for key in keys} == {"EC"}
        assert all("d" not in key for key in keys)


class TestExport:
    async def test_holds_what_every_service_keeps_of_a_newcomer(self, gateway):
        ada = await gateway.newcomer(full_name="Ada Lovelace")
        await profile_of(gateway, ada)
        asked = await gateway.client.post("/api/v1/auth/me/exports", headers=ada.authorization)
        where = asked.headers["Location"]

        async def is_ready() -> bool:
            return (await gateway.get(where, ada)).json()["state"] == "ready"

        await eventually(is_ready, within=60)
        parts = contents(await gateway.get(f"{where}/file", ada))

        assert parts["profile.json"]["data"]["profile"][0]["display_name"] == "Ada Lovelace"
        assert {parts[f"{name}.json"]["service"] for name in SERVICES} == set(SERVICES)
