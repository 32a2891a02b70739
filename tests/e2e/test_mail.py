"""A newcomer's way through the mails, as a browser and a mailbox see it."""

from email.message import EmailMessage
from uuid import uuid4

import aiosmtplib
import pytest

from quartet_cli.mails import Received, link_token, received
from quartet_cli.stack import Stack
from tests.support.gateway import PASSWORD, SECRETS, Gateway
from tests.support.own_servers import HOST
from tests.support.waiting import eventually

LATER_PASSWORD = "staple correct horse battery"


@pytest.fixture
def email() -> str:
    return f"{uuid4().hex}@example.org"


@pytest.fixture
def mails(stack: Stack):
    def mails(to: str) -> list[Received]:
        return list(received(stack.folder("mail"), to=to))

    return mails


async def post(gateway: Gateway, path: str, **body: str) -> int:
    SECRETS.update(body[name] for name in ("token", "new_password") if name in body)
    return (await gateway.client.post(f"/api/v1/auth/{path}", json=body)).status_code


class TestNewcomer:
    async def test_is_let_in_once_their_mail_is_read(self, gateway, email):
        await gateway.register(email)
        early = await gateway.log_in(email)
        await gateway.verify(email)

        assert (early.status_code, early.json()["code"]) == (403, "email.unverified")
        assert (await gateway.log_in(email)).status_code == 200

    async def test_is_written_to_in_their_language_with_a_link_to_the_console(
        self, gateway, stack, mails, email
    ):
        await gateway.register(email, language="de")

        (mail,) = await eventually(lambda: mails(email), within=30)

        assert mail.subject == "Bestätigen Sie Ihre E-Mail-Adresse"
        assert mail.links[0].startswith(f"{stack.gateway_url}/verify-email?token=ql1_")
        assert mail.links[0] in mail.html


class TestForgottenPassword:
    async def test_is_set_anew_by_the_link_and_word_of_it_follows(self, gateway, stack, mails, email):
        await gateway.register(email)
        await gateway.verify(email)
        assert (await gateway.log_in(email, PASSWORD)).status_code == 200
        assert await post(gateway, "password/reset", email=email) == 202
        await eventually(lambda: len(mails(email)) == 2, within=30)
        token = link_token(stack.folder("mail"), to=email)
        assert token is not None

        assert await post(gateway, "password/reset/confirm", token=token, new_password=LATER_PASSWORD) == 204

        await eventually(lambda: mails(email)[0].subject == "Your password was changed", within=30)
        assert (await gateway.log_in(email, PASSWORD)).status_code == 401
        assert (await gateway.log_in(email, LATER_PASSWORD)).status_code == 200


class TestSink:
    async def test_takes_mails_that_nobody_of_us_wrote(self, stack, mails, email):
        message = EmailMessage()
        message["From"], message["To"] = "somebody@example.org", email
        message.set_content("Hello")

        await aiosmtplib.send(message, hostname=HOST, port=stack.ports["mail"], start_tls=False)

        assert [mail.text.strip() for mail in mails(email)] == ["Hello"]
