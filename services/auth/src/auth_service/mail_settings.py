"""Where mails leave, as whom, and where their links lead; what does not fit is said at start."""

import re
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, PositiveFloat, SecretStr, field_validator, model_validator

from auth_service.domain.email import mailbox
from auth_service.domain.mail import MailServer, Sender

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
_HERE = ("localhost", "127.0.0.1", "::1")


class MailSettings(BaseModel):
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """587, 465 with TLS from the beginning, 25 without TLS."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    ca_file: Path | None = None
    """The authority of the server's certificate, where it is not one that the system knows."""
    user: str | None = None
    password: SecretStr | None = None
    sender: str
    """`Quartet <no-reply@quartet.example>`: the name is what mails call the installation."""
    console_url: str
    """Where the pages are that the links lead to."""
    timeout_seconds: PositiveFloat = 20.0
    """For all of one mail."""

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        if _HOST.fullmatch(host) is None:
            raise ValueError("MAIL_HOST is no host: write smtp.example.org, and the port in MAIL_PORT")
        return host

    @field_validator("sender")
    @classmethod
    def _is_somebody(cls, text: str) -> str:
        if _sender(text) is None:
            raise ValueError("MAIL_SENDER is no address: write Quartet <no-reply@quartet.example>")
        return text

    @field_validator("console_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not _is_page(url):
            raise ValueError("MAIL_CONSOLE_URL is no address of a page: write https://app.example.org")
        return url

    @model_validator(mode="after")
    def _logs_in_whole_and_hidden(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("MAIL_USER and MAIL_PASSWORD go together: set both or none")
        if self.user is not None and self.tls == "none":
            raise ValueError("MAIL_PASSWORD would be sent in the clear: set MAIL_TLS to starttls or implicit")
        return self

    def refuse_what_is_for_development(self) -> None:
        if self.tls == "none" and self.host not in _HERE:
            raise ValueError("MAIL_TLS is none: links would be sent in the clear; set it to starttls")
        if urlsplit(self.console_url).scheme != "https":
            raise ValueError("MAIL_CONSOLE_URL is not https: whoever reads along could use the links")

    @property
    def from_whom(self) -> Sender:
        sender = _sender(self.sender)
        if sender is None:
            raise ValueError("a sender that was checked before cannot be read now")
        return sender

    @property
    def server(self) -> MailServer:
        return MailServer(
            host=self.host,
            port=self.port or _PORTS[self.tls],
            tls=self.tls,
            greeting=self.from_whom.domain,
            timeout_seconds=self.timeout_seconds,
            ca_file=self.ca_file,
            user=self.user,
            password=None if self.password is None else self.password.get_secret_value(),
        )


def _sender(text: str) -> Sender | None:
    if not text.isprintable():
        return None
    name, written = parseaddr(text)
    address = mailbox(written)
    if address is None or not address.isascii():
        return None
    try:
        Address(display_name=name, addr_spec=address)
    except (MessageError, ValueError):
        return None
    return Sender(name=name or address.rpartition("@")[2], address=address)


def _is_page(url: str) -> bool:
    try:
        parts = urlsplit(url)
        place = parts.hostname and parts.port != 0
    except ValueError:
        return False
    plain = url.isprintable() and not any(character in url for character in " ?#@")
    return bool(place) and plain and parts.scheme in {"https", "http"}
