import json
from datetime import timedelta
from uuid import UUID

import pytest

from auth_service.domain.links import LinkToken, Purpose
from auth_service.storage.mail_links import NewLink, insert_link
from common.clock import utc_now
from common.ids import new_id
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp

ADA, PASSWORD = "ada@example.org", "correct horse battery"
NEW = "countess@example.org"


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


@pytest.fixture
def ask(client):
    async def ask(email: str = NEW, password: str = PASSWORD):
        return await client.post("/email/change", json={"new_email": email, "password": password})

    return ask


@pytest.fixture
def confirm(auth_app, superuser, client):
    async def confirm():
        link = await superuser.fetchrow(
            "select id, user_id from auth.mail_links where purpose = 'confirm_email'"
        )
        token = LinkToken(link["user_id"], link["id"]).written(auth_app.resources.macs, Purpose.CONFIRM_EMAIL)
        return await client.post("/email/change/confirm", json={"token": token})

    return confirm


@pytest.fixture
def mails(superuser):
    async def mails() -> list[str]:
        rows = await superuser.fetch("select arguments from auth.jobs order by created_at, id")
        return [json.loads(row["arguments"])["mail"] for row in rows]

    return mails


class TestAsking:
    async def test_changes_nothing_yet_and_writes_to_both_addresses(self, ask, client, mails):
        answer = await ask()

        assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
        assert (await client.get("/me")).json()["email"] == ADA
        assert await mails() == ["confirm_email", "email_change_asked"]

    async def test_with_the_wrong_password_sends_nothing(self, ask, mails):
        answer = await ask(password="another password")

        assert (answer.status_code, answer.json()["code"]) == (403, "password.wrong")
        assert await mails() == []

    async def test_answers_the_same_for_somebody_s_address(self, ask, superuser, mails):
        await add_user(superuser, email=NEW)

        answer = await ask()

        assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
        assert await mails() == ["confirm_email", "email_change_asked"]


class TestConfirming:
    async def test_takes_the_address_and_tells_the_former_one(self, ask, confirm, client, mails, superuser):
        await ask()

        answer = await confirm()

        assert answer.status_code == 204
        assert (await client.get("/me")).json()["email"] == NEW
        assert (await mails())[-1] == "email_changed"
        assert await superuser.fetchval("select former_email from auth.mail_links") == ADA

    async def test_ends_the_links_that_wait_at_the_former_address(
        self, ask, confirm, auth_app, superuser, client, ada
    ):
        """Whoever has that mailbox by now shall not set the password."""
        await ask()
        async with auth_app.database.transaction(as_user=ada) as tx:
            waiting = NewLink(
                new_id(), ada, Purpose.RESET_PASSWORD, utc_now(), utc_now() + timedelta(minutes=5)
            )
            insert_link(tx, waiting)

        await confirm()
        token = LinkToken(ada, waiting.id).written(auth_app.resources.macs, Purpose.RESET_PASSWORD)
        body = {"token": token, "new_password": "staple correct horse"}
        answer = await client.post("/password/reset/confirm", json=body)

        assert (answer.status_code, answer.json()["code"]) == (422, "link.invalid")

    async def test_works_once(self, ask, confirm):
        await ask()

        assert [(await confirm()).status_code for _ in range(2)] == [204, 422]

    async def test_of_an_address_that_is_somebody_s_by_now_is_refused(self, ask, confirm, client, superuser):
        await ask()
        await add_user(superuser, email=NEW)

        answer = await confirm()

        assert (answer.status_code, answer.json()["code"]) == (409, "email.taken")
        assert (await client.get("/me")).json()["email"] == ADA

    async def test_lets_the_user_in_by_the_new_address_alone(self, ask, confirm, auth_app):
        await ask()
        await confirm()
        async with auth_app.client() as anybody:
            old = await anybody.post("/login", json={"email": ADA, "password": PASSWORD})

        assert old.status_code == 401
        assert (await auth_app.log_in(NEW, PASSWORD))["token_type"] == "Bearer"
