"""Addresses on the web in their canonical form. They are shown as links and never fetched from here."""

import re
from typing import Final

from pydantic_core import Url, ValidationError

from profile_service.domain.reading import Reading, RefusedError, Rule
from profile_service.domain.texts import normalised, refuse_hidden

_MOST: Final = 2048
_HOST = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])"
)
_WITHOUT_SCHEME = re.compile(r"[^/?#@:\\]+\.[^/?#@:\\]+(?:[/?#].*)?")
# What the parser leaves as it is in some part of a URL, and what people who copy a URL would lose.
_ENCODED: Final = str.maketrans({character: f"%{ord(character):02X}" for character in '"<>\\^`{|}'})


def split(text: str) -> Url:
    """Canonical but for the characters that `stored` encodes; the host has a name that the network knows."""
    text = normalised(text, _MOST).strip()
    refuse_hidden(text)
    if re.search(r"[\s\\]", text):
        raise _invalid()
    if _WITHOUT_SCHEME.fullmatch(text):
        text = f"https://{text}"
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() != "https":
        raise RefusedError("url.not_https", "This does not begin with https://.")
    if "@" in re.split("[/?#]", rest, maxsplit=1)[0]:
        raise RefusedError("url.userinfo", "A URL with a name or a password in it shows them to everybody.")
    try:
        url = Url(text)
    except ValidationError:
        raise _invalid() from None
    if not _HOST.fullmatch(url.host or ""):
        raise _invalid()
    return url


def _read(text: str, _: Reading) -> str:
    try:
        found = str(split(text)).translate(_ENCODED)
    except RefusedError as refused:
        if refused.code.startswith("text."):
            raise _invalid() from None
        raise
    if len(found) > _MOST:
        raise _invalid()
    return found


def _invalid() -> RefusedError:
    return RefusedError("url.invalid", f"This is not a URL of at most {_MOST} characters with a host's name.")


URL: Final = Rule(
    says=f"a https URL of at most {_MOST} characters, without a user's name; kept in canonical form",
    read=_read,
    check=(
        f"char_length({{column}}) <= {_MOST} and {{column}} ~ "
        r"'^https://[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?/[]!#-;=?@A-Z[_a-z~]*$'"
    ),
    codes=("url.invalid", "url.not_https", "url.userinfo"),
    most=_MOST,
)
