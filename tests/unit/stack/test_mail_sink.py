import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import aiosmtplib
import pytest
from typer.testing import CliRunner

from quartet_cli.mail_sink import MOST_BYTES, MOST_CONNECTIONS, Box, start_sink
from quartet_cli.mails import received
from quartet_cli.main import app
from quartet_cli.stack import Stack
from tests.support.own_servers import HOST
from tests.support.ports import free_port

ADA, GRACE = "ada@example.org", "grace@example.org"
LINK = "https://app.example.org/verify-email?token=ql1_abc"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
async def port(folder) -> AsyncIterator[int]:
    port = free_port()
    async with await start_sink(HOST, port, Box(folder, most=3)):
        yield port


async def send(port: int, to: str = ADA, subject: str = "Hello", text: str = f"Look:\n\n{LINK}\n") -> None:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "quartet@example.org", to, subject
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    await aiosmtplib.send(message, hostname=HOST, port=port, local_hostname="test", start_tls=False)


async def talk(port: int, *lines: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"".join(lines))
    answer = await asyncio.wait_for(reader.read(65_536), 5)
    writer.transport.abort()
    return answer


class TestSink:
    async def test_keeps_what_it_takes_where_only_its_owner_reads_it(self, port, folder):
        await send(port)

        (mail,) = received(folder)
        assert (mail.to, mail.subject, mail.links) == ((ADA,), "Hello", (LINK,))
        assert LINK in mail.html
        assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}

    async def test_shows_the_newest_first_and_those_of_one_address(self, port, folder):
        await send(port, ADA, "first")
        await send(port, GRACE, "second")
        await send(port, ADA, "third")

        assert [mail.subject for mail in received(folder)] == ["third", "second", "first"]
        assert [mail.subject for mail in received(folder, to="Ada@Example.org")] == ["third", "first"]

    async def test_lets_go_of_the_oldest(self, port, folder):
        for number in range(5):
            await send(port, subject=f"number {number}")

        assert [mail.subject for mail in received(folder)] == ["number 4", "number 3", "number 2"]

    async def test_knows_after_a_restart_what_it_kept(self, folder):
        Box(folder, most=2).keep(b"Subject: one\r\n\r\n")
        Box(folder, most=2).keep(b"Subject: two\r\n\r\n")
        Box(folder, most=2).keep(b"Subject: three\r\n\r\n")

        assert [mail.subject for mail in received(folder)] == ["three", "two"]

    @pytest.mark.parametrize(
        "lines",
        [
            (b"\xff\xfe\x00\r\n",),
            (b"A" * 100_000 + b"\r\n",),
            (b"EHLO x\r\nMAIL FROM:<a\xff@b>\r\nRCPT TO:<\r\nDATA\r\n.\r\n",),
            (b"DATA\r\nRCPT TO:<a@b>\r\nQUIT\r\n",),
            (b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n\xff\x00\r\nSubject: =?x?b?!?=\r\n.\r\n",),
        ],
    )
    async def test_outlives_whatever_it_is_told(self, port, folder, lines):
        await talk(port, *lines)

        await send(port, subject="still there")

        assert next(iter(received(folder))).subject == "still there"

    async def test_takes_no_mail_beyond_a_megabyte(self, port, folder):
        with pytest.raises(aiosmtplib.SMTPResponseException):
            await send(port, text="A line of text.\n" * (MOST_BYTES // 8))

        assert list(received(folder)) == []

    async def test_hangs_up_on_one_connection_too_many(self, port):
        connections = [await asyncio.open_connection(HOST, port) for _ in range(MOST_CONNECTIONS)]
        greetings = [await reader.readline() for reader, _ in connections]
        refused, another = await asyncio.open_connection(HOST, port)

        assert all(line.startswith(b"220") for line in greetings)
        assert await refused.read() == b""

        for _, writer in (*connections, (refused, another)):
            writer.transport.abort()


@pytest.fixture
def run(stack: Stack, folder: Path, monkeypatch):
    """`./quartet mail` with these arguments, for a stack whose state is in `folder`."""
    chosen = replace(stack, state=folder)
    chosen.folder("mail").mkdir(exist_ok=True)
    path = folder / "stack.json"
    chosen.save(path)
    monkeypatch.setenv("QUARTET_STACK", str(path))
    box = Box(chosen.folder("mail"))
    mail = f"Delivered-To: %s\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nLook: {LINK}\x1b[31m\r\n"
    box.keep((mail % ADA).encode())
    box.keep((mail % GRACE).encode())

    def run(*arguments: str) -> str:
        told = CliRunner().invoke(app, ["mail", *arguments])
        assert told.exit_code == 0, told.output
        return told.output

    return run


class TestVerb:
    def test_shows_text_and_link_and_leaves_the_terminal_alone(self, run):
        told = run("--to", ADA)

        assert all(part in told for part in (ADA, "Grüße", LINK))
        assert GRACE not in told
        assert "\x1b" not in told

    def test_tells_programs_all_of_it(self, run):
        (mail,) = json.loads(run("--to", ADA, "--json"))

        assert mail["to"] == [ADA]
        assert mail["subject"] == "Grüße"
        assert {"date", "text", "html", "links"} <= mail.keys()

    def test_shows_as_many_as_asked(self, run):
        assert len(json.loads(run("--json"))) == 2
        assert [mail["to"] for mail in json.loads(run("--json", "-n", "1"))] == [[GRACE]]

    def test_says_that_there_is_none(self, run):
        assert run("--to", "nobody@example.org").endswith("There is no mail.\n")
