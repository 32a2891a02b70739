"""Phone numbers, however they are written, as E.164 writes them."""

import re
import unicodedata
from typing import Final

from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    format_number,
    is_valid_number,
    parse,
)

from profile_service.domain.reading import Reading, RefusedError, Rule

_E164: Final = "^\\+[1-9][0-9]{6,14}$"
_MOST_TYPED: Final = 64
# The library finds a number inside of any text; here the text is the number. Dashes of all kinds are one.
_TYPED = re.compile(r"\+?[\d ()./-]+")
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
# Behind a slash few digits are another ending of the number, not a part of it.
_EXTENSION = re.compile(r"[\d )](?:(?:ext\.?|x|#|;ext=) ?\d+|/[ -]*\d{1,3})$", re.IGNORECASE)


def _read(text: str, reading: Reading) -> str:
    # digits that are raised or in a circle number something else
    if len(text) > _MOST_TYPED or any(unicodedata.category(character) == "No" for character in text):
        raise _invalid()
    typed = _DASHES.sub("-", unicodedata.normalize("NFKC", text)).strip()
    if _EXTENSION.search(typed):
        raise RefusedError("phone.extension", "An extension cannot be kept; write the number without it.")
    if not _TYPED.fullmatch(typed):
        raise _invalid()
    if not typed.startswith("+") and reading.region is None:
        raise _region_required()
    try:
        number = parse(typed, reading.region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and not typed.startswith("+"):
            raise _region_required() from None
        raise _invalid() from None
    stored = format_number(number, PhoneNumberFormat.E164)
    if not is_valid_number(number) or not re.fullmatch(_E164, stored):
        raise _invalid()
    return stored


def _invalid() -> RefusedError:
    return RefusedError("phone.invalid", "This is not a phone number that could be called.")


def _region_required() -> RefusedError:
    return RefusedError(
        "phone.region_required",
        "Without a country's code (+49 …) the number needs a region: the address's country, or ?region=DE.",
    )


PHONE: Final = Rule(
    says="a phone number in any format, with its country's code or a region; kept as E.164",
    read=_read,
    check=f"{{column}} ~ '{_E164}'",
    codes=("phone.invalid", "phone.region_required", "phone.extension"),
    most=16,
)
