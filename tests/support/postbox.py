"""An SMTP server in the test's own loop: it keeps what it takes, and refuses what it is told to.

Names of its methods are those that aiosmtpd calls.
"""
# ruff: noqa: N802

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from quartet_cli.mails import Received, read_mail
from tests.support.own_servers import HOST
from tests.support.ports import free_port

TAKEN = "250 2.0.0 taken"


@dataclass
class Postbox:
    port: int = field(default_factory=free_port)
    raw: list[bytes] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    greeted_as: list[str] = field(default_factory=list)
    to_sender: str = "250 OK"
    to_recipient: str = "250 OK"
    to_mail: str = TAKEN
    breaks_off: int = 0
    """So often it takes a mail and hangs up without a word."""
    hangs_up_at_goodbye: bool = False
    waits_for: asyncio.Event | None = None
    """Before it says anything to a recipient."""
    tls: ssl.SSLContext | None = None
    begins_with_tls: bool = False
    login: tuple[str, str] | None = None
    """Asked for after STARTTLS."""
    speaks_utf8: bool = True

    @property
    def mails(self) -> list[Received]:
        return [read_mail(content) for content in self.raw]

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator["Postbox"]:
        loop = asyncio.get_running_loop()
        context = self.tls if self.begins_with_tls else None
        server = await loop.create_server(self._protocol, HOST, self.port, ssl=context)
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def handle_EHLO(
        self, server: Any, session: Session, envelope: Any, name: str, answers: list[str]
    ) -> list[str]:
        self.greeted_as.append(name)
        session.host_name = name
        return answers

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        envelope.mail_from = address
        self.senders.append(address)
        return self.to_sender

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.waits_for is not None:
            await self.waits_for.wait()
        envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if self.to_mail == TAKEN:
            head = "".join(f"Delivered-To: {address}\r\n" for address in envelope.rcpt_tos)
            assert isinstance(envelope.content, bytes)
            self.raw.append(head.encode() + envelope.content)
            if self.breaks_off:
                self.breaks_off -= 1
                server.transport.abort()
        return self.to_mail

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        if self.hangs_up_at_goodbye:
            server.transport.abort()
        return "221 2.0.0 goodbye"

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="postbox.test",
            enable_SMTPUTF8=self.speaks_utf8,
            tls_context=None if self.begins_with_tls else self.tls,
            require_starttls=self.tls is not None and not self.begins_with_tls,
            auth_required=self.login is not None,
            authenticator=self._authenticate,
            loop=asyncio.get_running_loop(),
        )

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, told: Any
    ) -> AuthResult:
        assert isinstance(told, LoginPassword)
        fits = (told.login.decode(), told.password.decode()) == self.login
        return AuthResult(success=fits, handled=False)
