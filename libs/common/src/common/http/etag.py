"""ETags from a row's version, and what a request demands of it: `If-Match` and `If-None-Match` (RFC 9110).

The tag is the version and nothing else: one made from what is shown would change with the code that shows it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.responses import Response

from common.errors import Kind, QuartetError
from common.http.answers import RefusalError
from common.http.documented import raises
from common.http.operations import Operation, tells
from common.http.validation import malformed

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_BETWEEN = re.compile(r"[\s,]*")
_MOST_CHARACTERS: Final = 4096
_CONDITION: Final = {
    "type": "string",
    "pattern": r'^(\*|(W/)?"[!#-~]{0,60}"(, (W/)?"[!#-~]{0,60}"){0,9})$',
    "examples": ['"v17"'],
}
_KEPT: Final = "private, no-cache"
"""A cache may keep the answer and asks each time whether it still holds; the default is no-store."""


def etag_of(version: int) -> str:
    return f'"v{version}"'


def version_headers(version: int) -> dict[str, str]:
    """Of every answer that shows or changes something with a version, 304 among them."""
    return {"ETag": etag_of(version), "Cache-Control": _KEPT}


@dataclass(frozen=True, slots=True)
class Tags:
    """A list of tags, or `*`: whatever is there."""

    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    anything: bool = False

    def match_strongly(self, version: int | None) -> bool:
        return version is not None and (self.anything or etag_of(version) in self.strong)

    def match_weakly(self, version: int | None) -> bool:
        return self.match_strongly(version) or (version is not None and etag_of(version) in self.weak)


@dataclass(frozen=True, slots=True)
class Preconditions:
    """Of one request. `version` is what is there now, or None when nothing is."""

    method: str
    if_match: Tags | None = None
    if_none_match: Tags | None = None

    def check(self, version: int | None) -> None:
        """Raises 412 with the present tag; ask in the transaction that then changes `WHERE version =`."""
        if self.if_match is not None and not self.if_match.match_strongly(version):
            raise _failed(version)
        reads = self.method in {"GET", "HEAD"}
        if not reads and self.if_none_match is not None and self.if_none_match.match_weakly(version):
            raise _failed(version)

    def unchanged(self, version: int) -> Response | None:
        """Of a GET: 304 without a body when the caller has this version already."""
        self.check(version)
        if self.if_none_match is None or not self.if_none_match.match_weakly(version):
            return None
        return Response(status_code=304, headers=version_headers(version))


def changed_meanwhile(version: int | None = None) -> QuartetError:
    """For the change that found no row `WHERE version =`: somebody was faster."""
    return _failed(version)


def parse_tags(values: Sequence[str]) -> Tags | None:
    """Of all lines of one header; None without any. What cannot be read is refused: to overlook a condition
    would overwrite what it should protect.
    """
    if not values:
        return None
    text = ", ".join(values)
    if len(text) > _MOST_CHARACTERS:
        raise _unreadable()
    if text.strip() == "*":
        return Tags(anything=True)
    strong, weak = set[str](), set[str]()
    at = _skip(text, 0)
    while at < len(text):
        found = _TAG.match(text, at)
        if found is None:
            raise _unreadable()
        (weak if found[1] else strong).add(f'"{found[2]}"')
        at = _skip(text, found.end())
    if not strong and not weak:
        raise _unreadable()
    return Tags(frozenset(strong), frozenset(weak))


def _describe(operation: Operation) -> None:
    reads = operation.method == "GET"
    if reads:
        operation.told["responses"]["304"] = {"description": "It still has this version."}
    operation.asks(
        "If-None-Match" if reads else "If-Match",
        _CONDITION,
        description="A version that is known already: 304 while it holds."
        if reads
        else "The version to change: 412 when there is another by now.",
    )
    operation.answers("ETag", _CONDITION, description="The version that it has now.", statuses=("200", "304"))


def _describe_required(operation: Operation) -> None:
    operation.asks(
        "If-Match",
        _CONDITION,
        description="The version to change: 412 when there is another by now, 428 without it.",
        required=True,
    )


@tells(_describe)
@raises(Kind.MALFORMED, "precondition_malformed")
@raises(Kind.PRECONDITION_FAILED, "precondition_failed")
async def _read(request: Request) -> Preconditions:
    headers = request.headers
    return Preconditions(
        request.method, parse_tags(headers.getlist("if-match")), parse_tags(headers.getlist("if-none-match"))
    )


@tells(_describe_required)
@raises(Kind.PRECONDITION_REQUIRED, "precondition_required")
async def _read_required(found: Annotated[Preconditions, Depends(_read)]) -> Preconditions:
    if found.if_match is None:
        raise QuartetError(
            "precondition_required",
            "Changing this asks for If-Match with the ETag of the version that is changed.",
            kind=Kind.PRECONDITION_REQUIRED,
        )
    return found


IfVersion = Annotated[Preconditions, Depends(_read)]
"""What the request demands, which may be nothing."""

IfVersionRequired = Annotated[Preconditions, Depends(_read_required)]
"""The same where nobody may change what they have not seen: 428 without If-Match."""


def _skip(text: str, at: int) -> int:
    """Past white space and the empty elements that lists may hold."""
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()


def _failed(version: int | None) -> QuartetError:
    return RefusalError(
        "precondition_failed",
        "What is there is not what the request demands; read it anew.",
        kind=Kind.PRECONDITION_FAILED,
        headers={} if version is None else {"ETag": etag_of(version)},
    )


def _unreadable() -> QuartetError:
    return malformed("precondition_malformed", 'Conditions are "*" or quoted tags: If-Match: "v17".')
