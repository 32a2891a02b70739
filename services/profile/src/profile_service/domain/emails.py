"""An address to write to; it is contact data and never signs anybody in."""

from typing import Final

from email_validator import EmailNotValidError, validate_email

from profile_service.domain.reading import Reading, RefusedError, Rule
from profile_service.domain.texts import HIDDEN, SPACES, normalised, refuse_hidden

_MOST: Final = 254
_CODE: Final = "email.invalid"


def _read(text: str, _: Reading) -> str:
    try:
        text = normalised(text, _MOST).strip()
        refuse_hidden(text)
        found = validate_email(text, check_deliverability=False, strict=True)
    except (EmailNotValidError, RefusedError):
        raise _invalid() from None
    # the domain as the network knows it: two that look alike do not look alike in it
    stored = f"{found.local_part}@{found.ascii_domain}"
    if len(stored) > _MOST:
        raise _invalid()
    return stored


def _invalid() -> RefusedError:
    return RefusedError(_CODE, "This is not an e-mail address that mail could be sent to.")


EMAIL: Final = Rule(
    says=(
        "an e-mail address of at most 254 characters, 64 before the @, its domain in lower-case ASCII; "
        "no network is asked"
    ),
    read=_read,
    check=(
        f"char_length({{column}}) <= {_MOST} and {{column}} is nfc normalized "
        rf"and {{column}} ~ '^[^@ \u000a\u200c\u200d{HIDDEN}{SPACES}]+@[a-z0-9-]+(\.[a-z0-9-]+)+$'"
    ),
    codes=(_CODE,),
    most=_MOST,
)
