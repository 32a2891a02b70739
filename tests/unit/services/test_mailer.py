import asyncio
import ssl
from datetime import UTC, datetime
from uuid import UUID

import pytest

from auth_service.clients.mailer import Mailer
from auth_service.domain.mail import MailServer, Sender
from auth_service.usecases.write_mail import Letter, compose
from common.errors import Kind, QuartetError
from tests.support.authority import Authority
from tests.support.own_servers import HOST
from tests.support.ports import free_port
from tests.support.postbox import Postbox

SENDER = Sender("Quartet", "no-reply@quartet.example")
ADA = "ada@example.org"
LETTER = Letter("A subject", "A text\n", "<p>A text</p>")
MAIL_ID = UUID("0197a8c0-0000-7000-8000-000000000001")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def server_of(postbox: Postbox, **changed) -> MailServer:
    told = {
        "host": HOST,
        "port": postbox.port,
        "tls": "none",
        "greeting": "quartet.example",
        "timeout_seconds": 5,
    }
    return MailServer(**told | changed)


async def send(server: MailServer, recipient: str = ADA) -> None:
    message = compose(LETTER, SENDER, recipient, mail_id=MAIL_ID, now=NOW)
    await Mailer(server).send(message, sender=SENDER.address, recipient=recipient)


async def refusal(server: MailServer, recipient: str = ADA) -> QuartetError:
    with pytest.raises(QuartetError) as refused:
        await send(server, recipient)
    return refused.value


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls(authority) -> ssl.SSLContext:
    certificate, key = authority.issue("postbox")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


class TestSending:
    async def test_hands_over_the_mail_from_the_sender_to_the_recipient(self):
        async with Postbox().listening() as postbox:
            await send(server_of(postbox))

        (mail,) = postbox.mails
        assert (mail.to, mail.subject, mail.text.strip()) == ((ADA,), "A subject", "A text")
        assert postbox.senders == [SENDER.address]
        assert postbox.greeted_as[0] == "quartet.example"

    async def test_is_encrypted_from_the_beginning_when_told_to(self, tls, authority):
        async with Postbox(tls=tls, begins_with_tls=True).listening() as postbox:
            await send(server_of(postbox, tls="implicit", ca_file=authority.ca_file))

        assert len(postbox.mails) == 1

    async def test_asks_for_encryption_before_it_logs_in(self, tls, authority):
        login = {"user": "quartet", "password": "s3cret"}
        async with Postbox(tls=tls, login=("quartet", "s3cret")).listening() as postbox:
            await send(server_of(postbox, tls="starttls", ca_file=authority.ca_file, **login))

        assert len(postbox.mails) == 1

    async def test_takes_addresses_beyond_ascii_where_the_server_does(self):
        async with Postbox().listening() as postbox:
            await send(server_of(postbox), "ädä@xn--bcher-kva.example")

        assert postbox.mails[0].to == ("ädä@xn--bcher-kva.example",)

    async def test_is_over_when_the_mail_is_taken_whatever_becomes_of_the_goodbye(self):
        async with Postbox(hangs_up_at_goodbye=True).listening() as postbox:
            await send(server_of(postbox))

        assert len(postbox.mails) == 1


class TestRefusal:
    @pytest.mark.parametrize(
        ("answers", "code"),
        [
            ({"to_recipient": "550 5.1.1 <ada@example.org>: nobody here"}, "mail.recipient_refused"),
            ({"to_mail": "554 5.7.1 we take no such thing, ada@example.org"}, "mail.refused"),
        ],
    )
    async def test_for_good_is_not_tried_again_and_repeats_no_address(self, answers, code):
        async with Postbox(**answers).listening() as postbox:
            error = await refusal(server_of(postbox))

        assert (error.kind, error.code) == (Kind.INVALID, code)
        assert ADA not in str(error)
        assert "5." in error.detail

    @pytest.mark.parametrize(
        ("answers", "code"),
        [
            ({"to_recipient": "450 4.2.1 greylisted"}, "mail.deferred"),
            ({"to_mail": "451 4.3.0 try later"}, "mail.deferred"),
            ({"to_sender": "550 5.7.1 who are you"}, "mail.server_refused"),
        ],
    )
    async def test_that_may_pass_is_tried_again(self, answers, code):
        async with Postbox(**answers).listening() as postbox:
            error = await refusal(server_of(postbox))

        assert (error.kind, error.code) == (Kind.UNAVAILABLE, code)

    async def test_of_a_login_is_tried_again_for_somebody_will_correct_it(self, tls, authority):
        wrong = {"user": "quartet", "password": "another"}
        async with Postbox(tls=tls, login=("quartet", "s3cret")).listening() as postbox:
            error = await refusal(server_of(postbox, tls="starttls", ca_file=authority.ca_file, **wrong))

        assert (error.kind, error.code) == (Kind.UNAVAILABLE, "mail.server_refused")
        assert "another" not in str(error)

    async def test_of_an_address_that_the_server_cannot_write_is_for_good(self):
        async with Postbox(speaks_utf8=False).listening() as postbox:
            error = await refusal(server_of(postbox), "ädä@example.org")

        assert (error.kind, error.code) == (Kind.INVALID, "mail.recipient_refused")


class TestServer:
    async def test_that_is_away_is_asked_again_later(self):
        error = await refusal(server_of(Postbox(), port=free_port()))

        assert (error.kind, error.code) == (Kind.UNAVAILABLE, "mail.server_unavailable")

    async def test_that_says_nothing_is_waited_for_as_long_as_told(self):
        loop = asyncio.get_running_loop()
        async with await loop.create_server(asyncio.Protocol, HOST, port := free_port()):
            error = await refusal(server_of(Postbox(), port=port, timeout_seconds=0.2))

        assert (error.kind, error.code) == (Kind.UNAVAILABLE, "mail.server_unavailable")

    async def test_without_tls_gets_nothing_when_tls_was_asked_for(self):
        async with Postbox().listening() as postbox:
            error = await refusal(server_of(postbox, tls="starttls"))

        assert error.kind is Kind.UNAVAILABLE
        assert postbox.mails == []

    async def test_of_an_unknown_authority_gets_nothing(self, tls):
        async with Postbox(tls=tls).listening() as postbox:
            error = await refusal(server_of(postbox, tls="starttls"))

        assert error.kind is Kind.UNAVAILABLE
        assert postbox.senders == []
