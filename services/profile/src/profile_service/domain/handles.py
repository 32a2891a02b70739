"""Whom to find at LinkedIn, GitHub and X: given as a handle or as a URL, kept as the URL."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from profile_service.domain.reading import Reading, RefusedError, Rule
from profile_service.domain.urls import split

_MOST_TYPED: Final = 2048
"""A hundred letters of any script take up to twelve characters each in a URL."""


@dataclass(frozen=True)
class _Site:
    name: str
    base: str
    host: re.Pattern[str]
    handle: re.Pattern[str]
    before: tuple[str, ...] = ("",)
    """What a path may hold in front of the handle; the first one is meant when nothing is said."""
    taken: frozenset[str] = frozenset()
    """Paths of the site itself, which are nobody's handle."""

    def read(self, text: str, _: Reading) -> str:
        typed = unicodedata.normalize("NFC", text.strip()) if len(text) <= _MOST_TYPED else ""
        before, handle = self._parts(typed)
        handle = _lower(handle)
        if before not in self.before or not self.handle.fullmatch(handle) or handle in self.taken:
            raise RefusedError(
                f"{self.name}.invalid", f"This is neither a handle nor a profile's URL at {self.base}."
            )
        return f"https://{self.base}/{before}{quote(handle)}"

    def _parts(self, typed: str) -> tuple[str, str]:
        if re.fullmatch(r"@?[^/@:.?#]+", typed):
            return self.before[0], typed.removeprefix("@")
        if typed.lower().startswith(tuple(one for one in self.before if one)):
            typed = f"https://{self.base}/{typed}"
        try:
            url = split(typed)
        except RefusedError:
            return "", ""
        if not self.host.fullmatch(url.host or "") or url.port != 443:
            return "", ""
        before, _, handle = (url.path or "").removesuffix("/").rpartition("/")
        decoded = unquote(handle, errors="strict") if _decodes(handle) else ""
        return f"{before.strip('/').lower()}/".removeprefix("/"), unicodedata.normalize("NFC", decoded)


def _lower(handle: str) -> str:
    """ASCII only: letters of other scripts change their number when they change their case."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in handle)


def _decodes(handle: str) -> bool:
    try:
        unquote(handle, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _rule(site: _Site, *, says: str, pattern: str, most: int) -> Rule:
    return Rule(
        says=f"{says}, as a handle or as a URL; kept as `https://{site.base}/…`",
        read=site.read,
        check=(
            f"char_length({{column}}) <= {most} and {{column}} ~ '^https://{re.escape(site.base)}/{pattern}$'"
        ),
        codes=(f"{site.name}.invalid",),
        most=most,
    )


LINKEDIN: Final = _rule(
    _Site(
        "linkedin",
        "www.linkedin.com",
        re.compile(r"(?:[a-z]{2,3}\.)?linkedin\.com"),
        # people are called with letters of every script there
        re.compile(r"[\w-]{3,100}"),
        before=("in/", "company/"),
    ),
    says="a person or a company at LinkedIn",
    pattern="(in|company)/([a-z0-9_-]|%[0-9A-F][0-9A-F])+",
    most=1230,
)
GITHUB: Final = _rule(
    _Site(
        "github",
        "github.com",
        re.compile(r"(?:www\.)?github\.com"),
        re.compile(r"[a-z0-9][a-z0-9-]{0,38}"),
        taken=frozenset({"about", "explore", "features", "login", "orgs", "settings", "topics"}),
    ),
    says="an account at GitHub",
    pattern="[a-z0-9][a-z0-9-]{0,38}",
    most=58,
)
TWITTER: Final = _rule(
    _Site(
        "twitter",
        "x.com",
        re.compile(r"(?:www\.|mobile\.)?(?:x|twitter)\.com"),
        re.compile(r"[a-z0-9_]{1,15}"),
        taken=frozenset(
            {"explore", "hashtag", "home", "i", "intent", "login", "search", "settings", "share"}
        ),
    ),
    says="an account at X, Twitter before",
    pattern="[a-z0-9_]{1,15}",
    most=29,
)
