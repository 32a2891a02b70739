"""One spelling of an address: what a person typed is shown to them, what they meant is compared."""

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

MOST_CHARACTERS = 254


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
    try:
        valid = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None
    compared = (
        f"{unicodedata.normalize('NFKC', valid.local_part).casefold()}@{valid.ascii_domain or valid.domain}"
    )
    return EmailAddress(shown=valid.normalized, compared=compared.lower())


def mailbox(text: str) -> str | None:
    """As an envelope names it: the domain in its ASCII form. None when no mail could be sent to it."""
    try:
        valid = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None
    return f"{valid.local_part}@{valid.ascii_domain}"
