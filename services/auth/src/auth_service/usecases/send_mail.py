"""The mail job: whom and what in a transaction, then the words, then the server, with nothing held."""

from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol
from uuid import UUID

from auth_service.domain.email import mailbox
from auth_service.domain.mail import Sender
from auth_service.storage.erasures import forget_farewell
from auth_service.usecases.address_mail import Links, address_mail
from auth_service.usecases.request_mail import MAIL_JOB, Mail
from auth_service.usecases.write_mail import Letters, compose
from common.clock import Clock
from common.errors import Kind, QuartetError
from common.jobs.control import Control
from common.jobs.kinds import Backoff, Job, JobKind
from common.postgres.engine import Database

_ATTEMPTS = 30
_BACKOFF = Backoff(first_seconds=4, longest_seconds=900)
"""A server may be away for some five hours; most links are over by then, and their mails are not sent."""


class Transport(Protocol):
    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None: ...


@dataclass(frozen=True)
class MailOffice:
    """What the job works with."""

    database: Database
    letters: Letters
    links: Links
    sender: Sender
    transport: Transport
    clock: Clock

    def kind(self) -> JobKind:
        return JobKind(MAIL_JOB, self.send, max_attempts=_ATTEMPTS, concurrency=8, backoff=_BACKOFF)

    async def send(self, job: Job, control: Control) -> dict[str, bool]:
        """Whether it was sent; one that nobody should get any more is not, and has not failed."""
        if job.user_id is None:
            raise QuartetError("mail.nobody", "the job is nobody's", kind=Kind.INVALID)
        mail, about = Mail(str(job.arguments["mail"])), UUID(str(job.arguments["about"]))
        now = self.clock()
        async with self.database.transaction(as_user=job.user_id) as tx:
            addressed = await address_mail(tx, mail, self.links, user_id=job.user_id, about=about, now=now)
        if addressed is None:
            return {"sent": False}
        recipient = mailbox(addressed.to)
        if recipient is None:
            raise QuartetError("mail.recipient_unusable", "no mail can go to the address", kind=Kind.INVALID)
        values = {"sender": self.sender.name, **addressed.values}
        letter = self.letters.written(addressed.mail, addressed.language, values)
        message = compose(letter, self.sender, recipient, mail_id=job.id, now=now)
        control.check()
        await self.transport.send(message, sender=self.sender.address, recipient=recipient)
        if mail is Mail.ACCOUNT_ERASED:
            async with self.database.transaction(as_user=job.user_id) as tx:
                await forget_farewell(tx, user_id=job.user_id)
        return {"sent": True}
