"""The mails that the local sink has taken, as a person reads them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from quartet_cli.mail_sink import SUFFIX

_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Received:
    to: tuple[str, ...]
    """Of the envelope: where it went, whatever the header says."""
    subject: str
    date: str
    text: str
    html: str
    links: tuple[str, ...]
    """All that the text holds, in order."""
    message_id: str


def received(folder: Path, *, to: str | None = None) -> Iterator[Received]:
    """Newest first."""
    for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # it gave way to a newer one
            continue
        # cheap first: there may be thousands
        if to is not None and to.lower().encode() not in content.lower():
            continue
        mail = read_mail(content)
        if to is None or to.lower() in {one.lower() for one in mail.to}:
            yield mail


def read_mail(content: bytes) -> Received:
    message = BytesParser(EmailMessage, policy=default).parsebytes(content)
    text = _body(message, "plain")
    return Received(
        to=tuple(str(one) for one in message.get_all("Delivered-To", [])),
        subject=str(message["Subject"] or ""),
        date=str(message["Date"] or ""),
        text=text,
        html=_body(message, "html"),
        links=tuple(_LINK.findall(text)),
        message_id=str(message["Message-ID"] or ""),
    )


def _body(message: EmailMessage, kind: str) -> str:
    """Empty where there is none, or where somebody wrote what is none."""
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError, AttributeError):
        return ""


def link_token(folder: Path, *, to: str | None, kind: str = "") -> str | None:
    """What the newest link to this address carries, of this kind if one is named; None without any."""
    links = (urlsplit(link) for mail in received(folder, to=to) for link in mail.links)
    newest = next((link for link in links if link.path.endswith(kind)), None)
    return None if newest is None else parse_qs(newest.query).get("token", [None])[0]
