"""Hands mails to a server by SMTP, and tells what passes by itself from what does not."""

import asyncio
import re
import ssl
from contextlib import suppress
from email.message import EmailMessage

import aiosmtplib

from auth_service.domain.mail import MailServer
from common.errors import Kind, QuartetError, unavailable

_QUIT_SECONDS = 2.0
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


class Mailer:
    """One connection a mail: they are few, and a server that was away is asked again at once."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._tls = None if server.tls == "none" else ssl.create_default_context(cafile=server.ca_file)

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Raises unless the server has taken it; of kind INVALID when another try would end the same way."""
        connection = self._connection()
        try:
            async with asyncio.timeout(self._server.timeout_seconds):
                await connection.connect()
                await connection.send_message(message, sender=sender, recipients=[recipient])
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise _classified(error) from None
        else:
            # taken is taken: a goodbye that fails is no reason to send it twice
            with suppress(aiosmtplib.SMTPException, OSError):
                await connection.quit(timeout=_QUIT_SECONDS)
        finally:
            connection.close()

    def _connection(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=server.greeting,
            timeout=server.timeout_seconds,
            use_tls=server.tls == "implicit",
            # never by chance: whoever stands in between could take the offer of TLS away
            start_tls=server.tls == "starttls",
            tls_context=self._tls,
        )


def _classified(error: Exception) -> QuartetError:
    """A server's own sentence may repeat the address, so only its numbers are told."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[refused, *_]):
            return _refused("mail.recipient_refused", "the recipient", refused)
        case aiosmtplib.SMTPDataError():
            return _refused("mail.refused", "the mail", error)
        case aiosmtplib.SMTPNotSupported() if "SMTPUTF8" in error.message:
            return _permanent("mail.recipient_refused", "the server takes no address beyond ASCII")
        case ValueError() if not isinstance(error, ssl.SSLError):
            return _permanent("mail.recipient_refused", "the address cannot stand in an envelope")
        case aiosmtplib.SMTPResponseException():
            # of a login, a sender: settings that somebody will correct, and the mails wait for it
            return unavailable("mail.server_refused", f"the server answered {_numbers(error)}")
        case _:
            return unavailable("mail.server_unavailable", f"no server took it: {type(error).__name__}")


def _refused(code: str, what: str, answer: aiosmtplib.SMTPResponseException) -> QuartetError:
    if answer.code >= 500:
        return _permanent(code, f"the server refused {what}: {_numbers(answer)}")
    return unavailable("mail.deferred", f"the server deferred {what}: {_numbers(answer)}")


def _permanent(code: str, detail: str) -> QuartetError:
    return QuartetError(code, detail, kind=Kind.INVALID)


def _numbers(answer: aiosmtplib.SMTPResponseException) -> str:
    enhanced = _ENHANCED.match(answer.message)
    return f"{answer.code} {enhanced[0]}" if enhanced else str(answer.code)
