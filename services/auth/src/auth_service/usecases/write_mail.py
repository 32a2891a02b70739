"""What mails say: a text a mail and language, and the same words as HTML."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from importlib.resources import files
from string import Template
from uuid import UUID

from auth_service.domain.mail import Sender
from auth_service.usecases.request_mail import Mail

LANGUAGES = ("en", "de")
"""The first is for whoever reads none of them."""
_LINK = "$link"


@dataclass(frozen=True)
class Letter:
    subject: str
    text: str
    html: str


class Letters:
    """Reads every template when it is made: one that is missing ends the start of a process, not a mail."""

    def __init__(self) -> None:
        folder = files("auth_service").joinpath("mail_templates")
        self._layout = Template(folder.joinpath("layout.html").read_text("utf-8"))
        self._words = {
            (mail, language): folder.joinpath(language, f"{mail}.txt").read_text("utf-8")
            for mail in Mail
            for language in LANGUAGES
        }

    def written(self, mail: Mail, language: str, values: Mapping[str, str]) -> Letter:
        """A placeholder without a value is an error, never an empty place."""
        spoken = language.partition("-")[0]
        spoken = spoken if spoken in LANGUAGES else LANGUAGES[0]
        subject, _, words = self._words[mail, spoken].strip().partition("\n")
        return Letter(
            subject=Template(subject).substitute(values),
            text=Template(words.strip()).substitute(values) + "\n",
            html=self._layout.substitute(language=spoken, body=_as_html(words, values)),
        )


def _as_html(words: str, values: Mapping[str, str]) -> str:
    escaped = {name: escape(value) for name, value in values.items()}
    paragraphs = (_paragraph(one) for one in words.strip().split("\n\n"))
    return Template("\n".join(paragraphs)).substitute(escaped)


def _paragraph(words: str) -> str:
    if words.strip() == _LINK:
        return f'<p><a href="{_LINK}">{_LINK}</a></p>'
    return f"<p>{escape(words, quote=False)}</p>"


def compose(letter: Letter, sender: Sender, recipient: str, *, mail_id: UUID, now: datetime) -> EmailMessage:
    """Sent twice, it has the same Message-ID both times, by which mailboxes know that it is one.

    It names no names: a stranger who registers somebody else's address could write them anything there.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=sender.name, addr_spec=sender.address)
    local, _, domain = recipient.rpartition("@")
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = letter.subject
    message["Date"] = now
    message["Message-ID"] = f"<{mail_id}@{sender.domain}>"
    # keeps absence notes from answering
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message
