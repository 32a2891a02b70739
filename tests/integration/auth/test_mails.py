import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from auth_service.clients.mailer import Mailer
from auth_service.domain.mail import MailServer, Sender
from auth_service.usecases.address_mail import Links
from auth_service.usecases.request_mail import Mail, request_mail
from auth_service.usecases.send_mail import MailOffice
from auth_service.usecases.write_mail import Letters
from common.clock import utc_now
from common.ids import new_id
from common.jobs import Backoff, Runner
from quartet_cli.mails import Received
from tests.support.accounts import add_user
from tests.support.auth_app import AuthApp
from tests.support.own_servers import HOST
from tests.support.postbox import Postbox
from tests.support.waiting import eventually

ADA, GRACE = "ada@example.org", "grace@example.org"
PASSWORD = "correct horse battery"
CONSOLE = "https://app.example.org/console"


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


class Office:
    """auth's mail job, at work for as long as asked."""

    def __init__(self, office: MailOffice, superuser: asyncpg.Connection) -> None:
        self._office = office
        self._superuser = superuser

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        kind = replace(self._office.kind(), backoff=Backoff(first_seconds=0.05, longest_seconds=0.1))
        stop = asyncio.Event()
        runner = Runner(self._office.database, [kind], poll_seconds=0.05)
        running = asyncio.create_task(runner.run(stop))
        try:
            yield
        finally:
            stop.set()
            await running

    async def ended(self) -> list[dict[str, Any]]:
        """All jobs, once none is left to do."""

        async def all_ended() -> list[dict[str, Any]]:
            jobs = await self.jobs()
            assert all(job["state"] in {"succeeded", "failed"} for job in jobs), jobs
            return jobs

        async with self.open():
            return await eventually(all_ended)

    async def jobs(self) -> list[dict[str, Any]]:
        rows = await self._superuser.fetch(
            "select * from auth.jobs where kind = 'mail' order by created_at, id"
        )
        return [dict(row) for row in rows]


@pytest.fixture
def office(auth_app: AuthApp, databases, superuser, postbox: Postbox) -> Office:
    server = MailServer(HOST, postbox.port, "none", greeting="quartet.example", timeout_seconds=5)
    return Office(
        MailOffice(
            database=databases("auth", "worker"),
            letters=Letters(),
            links=Links(CONSOLE, auth_app.resources.macs),
            sender=Sender("Quartet", "no-reply@quartet.example"),
            transport=Mailer(server),
            clock=utc_now,
        ),
        superuser,
    )


async def register(auth_app: AuthApp, email: str = ADA, **fields: str) -> None:
    async with auth_app.client() as client:
        answer = await client.post("/register", json={"email": email, "password": PASSWORD, **fields})
    assert answer.status_code == 202


async def ask(auth_app: AuthApp, path: str, email: str = ADA) -> None:
    async with auth_app.client() as client:
        answer = await client.post(path, json={"email": email})
    assert answer.status_code == 202


def token_in(mail: Received) -> str:
    (link,) = mail.links
    return parse_qs(urlsplit(link).query)["token"][0]


async def use(auth_app: AuthApp, path: str, **body: str) -> int:
    async with auth_app.client() as client:
        return (await client.post(path, json=body)).status_code


class TestNewcomer:
    async def test_gets_a_link_that_verifies_the_address(self, auth_app, office, postbox):
        await register(auth_app)
        async with postbox.listening():
            await office.ended()

        (mail,) = postbox.mails
        assert mail.to == (ADA,)
        assert mail.links[0].startswith(f"{CONSOLE}/verify-email?token=ql1_")
        assert await use(auth_app, "/verify-email", token=token_in(mail)) == 204

    @pytest.mark.parametrize(("language", "subject"), [("de-AT", "Bestätigen"), ("fr", "Confirm")])
    async def test_is_written_to_in_their_language(self, auth_app, office, postbox, language, subject):
        await register(auth_app, language=language)
        async with postbox.listening():
            await office.ended()

        assert postbox.mails[0].subject.startswith(subject)

    async def test_is_written_to_where_the_domain_is_not_ascii(self, auth_app, office, postbox):
        await register(auth_app, "ada@bücher.example")
        async with postbox.listening():
            await office.ended()

        assert postbox.mails[0].to == ("ada@xn--bcher-kva.example",)

    async def test_finds_no_name_and_no_password_in_the_mail(self, auth_app, office, postbox):
        await register(auth_app, full_name="Win at eve.example")
        async with postbox.listening():
            await office.ended()

        assert b"eve.example" not in postbox.raw[0]
        assert PASSWORD.encode() not in postbox.raw[0]


class TestMails:
    async def test_of_an_address_that_is_taken_hold_no_link(self, auth_app, office, postbox, superuser):
        await add_user(superuser, email=ADA)
        await register(auth_app)
        async with postbox.listening():
            await office.ended()

        (mail,) = postbox.mails
        assert (mail.to, mail.links) == ((ADA,), ())
        assert mail.subject == "You have an account already"

    async def test_of_a_forgotten_password_let_it_be_set_anew(self, auth_app, office, postbox, superuser):
        await add_user(superuser, email=ADA)
        await ask(auth_app, "/password/reset")
        async with postbox.listening():
            await office.ended()
            (mail,) = postbox.mails
            used = {"token": token_in(mail), "new_password": "staple correct horse"}
            assert await use(auth_app, "/password/reset/confirm", **used) == 204
            await office.ended()

        assert mail.links[0].startswith(f"{CONSOLE}/reset-password?token=ql1_")
        assert postbox.mails[1].subject == "Your password was changed"
        assert postbox.mails[1].to == (ADA,)

    async def test_of_a_change_of_address_go_to_both(self, auth_app, office, postbox, superuser):
        hashed = await auth_app.resources.hashing.hash(PASSWORD)
        await add_user(superuser, email=ADA, hashed_password=hashed)
        tokens = await auth_app.log_in(ADA, PASSWORD)
        async with auth_app.client(tokens["access_token"]) as client:
            body = {"new_email": GRACE, "password": PASSWORD}
            assert (await client.post("/email/change", json=body)).status_code == 202
        async with postbox.listening():
            await office.ended()
            by_address = {mail.to[0]: mail for mail in postbox.mails}
            assert await use(auth_app, "/email/change/confirm", token=token_in(by_address[GRACE])) == 204
            await office.ended()

        assert by_address[GRACE].links[0].startswith(f"{CONSOLE}/confirm-email?token=ql1_")
        assert GRACE in by_address[ADA].text
        assert by_address[ADA].links == ()
        assert [mail.to for mail in postbox.mails[2:]] == [(ADA,)]
        assert postbox.mails[2].subject == "Your e-mail address was changed"


class TestNothing:
    @pytest.mark.parametrize("path", ["/password/reset", "/verify-email/resend"])
    async def test_is_sent_to_an_address_that_is_not_known(self, auth_app, office, postbox, path):
        await ask(auth_app, path, "nobody@example.org")
        async with postbox.listening():
            (job,) = await office.ended()

        assert (job["state"], json.loads(job["result"])) == ("succeeded", {"sent": False})
        assert postbox.mails == []

    async def test_is_sent_again_to_an_address_that_is_verified(self, auth_app, office, postbox, superuser):
        await add_user(superuser, email=ADA, hashed_password="x")
        await ask(auth_app, "/verify-email/resend")
        async with postbox.listening():
            await office.ended()

        assert postbox.mails == []

    async def test_is_sent_to_an_account_that_is_closed(self, auth_app, office, postbox, superuser):
        await add_user(superuser, email=ADA)
        await superuser.execute("update auth.users set is_active = false")
        await ask(auth_app, "/password/reset")
        async with postbox.listening():
            await office.ended()

        assert postbox.mails == []

    async def test_more_is_sent_within_a_minute(self, auth_app, office, postbox, superuser):
        await add_user(superuser, email=ADA)
        for _ in range(3):
            await ask(auth_app, "/password/reset")
        async with postbox.listening():
            jobs = await office.ended()

        assert len(postbox.mails) == 1
        assert sorted(json.loads(job["result"])["sent"] for job in jobs) == [False, False, True]

    @pytest.mark.parametrize("ended", ["used_at = now()", "expires_at = now()"])
    async def test_is_sent_that_carries_a_link_which_is_over(
        self, auth_app, office, postbox, superuser, ended
    ):
        await register(auth_app)
        await superuser.execute(f"update auth.mail_links set {ended}")
        async with postbox.listening():
            (job,) = await office.ended()

        assert (job["state"], json.loads(job["result"])) == ("succeeded", {"sent": False})
        assert postbox.mails == []


class TestServer:
    async def test_that_was_away_gets_the_mail_once(self, auth_app, office, postbox):
        await register(auth_app)

        async def failed_twice() -> bool:
            (job,) = await office.jobs()
            return job["attempts"] >= 2

        async with office.open():
            await eventually(failed_twice)
            async with postbox.listening():
                await eventually(lambda: postbox.mails)
        (job,) = await office.jobs()

        assert job["state"] == "succeeded"
        assert len(postbox.mails) == 1

    async def test_that_broke_off_gets_the_same_mail_again(self, auth_app, office, postbox):
        postbox.breaks_off = 1
        await register(auth_app)
        async with postbox.listening():
            await office.ended()

        first, second = postbox.mails
        assert first.message_id == second.message_id
        assert first.links == second.links

    async def test_that_refuses_the_recipient_ends_the_job_with_its_numbers(self, auth_app, office, postbox):
        postbox.to_recipient = f"550 5.1.1 <{ADA}> is nobody here"
        await register(auth_app)
        async with postbox.listening():
            (job,) = await office.ended()

        assert (job["state"], job["attempts"]) == ("failed", 1)
        assert job["error"] == "mail.recipient_refused: the server refused the recipient: 550 5.1.1"

    async def test_that_is_slow_holds_no_connection_of_the_database(
        self, auth_app, office, postbox, superuser
    ):
        await register(auth_app)
        postbox.waits_for = asyncio.Event()
        async with postbox.listening(), office.open():
            await eventually(lambda: postbox.senders)
            # others come and go; the one that asked for the mail would stay
            await eventually(lambda: _nobody_in_a_transaction(superuser))
            assert postbox.mails == []
            postbox.waits_for.set()
            await eventually(lambda: postbox.mails)


async def _nobody_in_a_transaction(superuser) -> bool:
    return not await superuser.fetchval(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and state like 'idle in transaction%'"
    )


class TestJob:
    async def test_knows_no_address_no_name_and_no_link(self, auth_app, office, postbox, superuser):
        await register(auth_app, full_name="Ada Lovelace")
        async with postbox.listening():
            await office.ended()

        written = str([tuple(row) for row in await superuser.fetch("select * from auth.jobs")])

        assert [word for word in (ADA, "Lovelace", "ql1_") if word in written] == []

    async def test_fails_for_an_address_that_no_envelope_can_name(self, auth_app, office, postbox, superuser):
        """As an older system's rows may hold them."""
        user_id = await add_user(superuser, email="ada..lovelace@example.org")
        async with auth_app.database.transaction(as_user=user_id) as tx:
            await request_mail(tx, Mail.PASSWORD_CHANGED, user_id=user_id, about=new_id())
        async with postbox.listening():
            (job,) = await office.ended()

        assert (job["state"], job["error"].partition(":")[0]) == ("failed", "mail.recipient_unusable")
