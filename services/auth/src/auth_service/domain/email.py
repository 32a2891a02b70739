"""One spelling of an address: what a person typed is shown to them, what they meant is compared."""

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

MOST_CHARACTERS = 254
_MOST_BEFORE_THE_AT = 64


@dataclass(frozen=True)
class EmailAddress:
    shown: str
    compared: str
    """NFKC, case folded, the domain in its ASCII form: equal for two spellings of one address."""


def parse_email(text: str) -> EmailAddress | None:
    """None when no mail could be sent to it. Looks at the text only, never at the network."""
    text = text.strip()
    if len(text) > MOST_CHARACTERS:
        return None
    valid = _valid(text)
    if valid is None or len(valid.local_part) > _MOST_BEFORE_THE_AT:
        return None
    compared = f"{_folded(valid.local_part)}@{valid.ascii_domain or valid.domain}".lower()
    # Signs that come apart into a space, a bracket or two dots: what is compared would be no address.
    if not text.isascii() and _valid(compared) is None:
        return None
    return EmailAddress(shown=valid.normalized, compared=compared)


def mailbox(text: str) -> str | None:
    """As an envelope names it: the domain in its ASCII form. None when no mail could be sent to it."""
    valid = _valid(text)
    return None if valid is None else f"{valid.local_part}@{valid.ascii_domain}"


def _valid(text: str) -> ValidatedEmail | None:
    try:
        return validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None


def _folded(text: str) -> str:
    """Its own form: what folding brings about is put together once more."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
