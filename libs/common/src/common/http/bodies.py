"""What comes in is bounded and readable before a route sees it: size, encoding, depth, storable text.

The request's headers are read once here, so what hangs on them is decided here, too: HEAD and compression.
"""

import json
import math
import re
from typing import Any, NoReturn, cast

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.errors import Fault, Kind, QuartetError
from common.http.answers import RefusalError, send_problem
from common.http.body_limits import BodyLimits
from common.http.compression import compressing, takes_gzip
from common.http.head import answer_head
from common.http.validation import invalid, malformed

MOST_DEPTH = 64
MOST_INTEGER = 2**63 - 1

# Bodies without any of these are left to the one parser that reads them anyway; with one of them the values
# are looked at. A false alarm costs a second parse.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|\d{18}|[eE]\+?\d{3}|NaN|Infinity")


class BodyMiddleware:
    """Refuses a body that is too large (413), not UTF-8 or not sane JSON (400, 422), and NUL in a query."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int) -> None:
        self._app = app
        self._limits = BodyLimits(limit_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        about = _about(scope)
        try:
            receive = await self._readable(scope, receive, about)
        except QuartetError as error:
            await send_problem(error, scope, receive, send)
            return
        if scope["method"] == "HEAD":
            await answer_head(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, compressing(send) if about.takes_gzip else send)

    async def _readable(self, scope: Scope, receive: Receive, about: "_About") -> Receive:
        if b"%00" in scope["query_string"]:
            raise invalid(Fault("?", "text.unreadable", "The query holds a character that cannot be stored."))
        if "\x00" in scope["path"]:
            raise QuartetError("route.not_found", "There is no such path.", kind=Kind.NOT_FOUND)
        limit = self._limits.of(scope)
        if about.length > limit:
            raise _too_large(limit)
        if about.length == 0 and not about.chunked:
            return receive
        if about.encoded:
            raise _encoded()
        if not about.json_expected:
            return self._counted(receive, limit)
        body = await self._whole(receive, limit)
        check_json(body)
        return _replayed(body, receive)

    async def _whole(self, receive: Receive, limit: int) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise malformed("body.incomplete", "The body ended before it was complete.")
            body += message.get("body", b"")
            if len(body) > limit:
                raise _too_large(limit)
            if not message.get("more_body", False):
                return bytes(body)

    def _counted(self, receive: Receive, limit: int) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                # The framework passes its own exception on; any other while reading becomes a 400.
                raise HTTPException(status_code=413)
            return message

        return counted


def check_json(body: bytes) -> None:
    """Raises a problem for JSON that a parser accepts and a database, or a later encoder, does not."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise malformed("body.not_utf8", "The body is not UTF-8.") from None
    if "\x00" in text:
        # mostly UTF-16, which the parser behind would guess, and whose values are not looked at here
        raise malformed("json.malformed", "The body is no JSON: it holds the character U+0000.")
    brackets = text.count("[") + text.count("{")
    if brackets <= MOST_DEPTH and not _SUSPICIOUS.search(text):
        return
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        detail = error.msg if isinstance(error, json.JSONDecodeError) else "a number has too many digits"
        raise malformed("json.malformed", f"The body is no JSON: {detail}.") from None
    if faults := _faults(value):
        raise invalid(*faults)


def _refuse_constant(name: str) -> NoReturn:
    raise malformed("json.malformed", f"The body is no JSON: {name} is not a number that JSON knows.")


def _faults(value: object) -> list[Fault]:
    faults: list[Fault] = []
    waiting: list[tuple[str, object, int]] = [("", value, 1)]
    while waiting:
        pointer, item, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise _too_deep()
        if isinstance(item, dict):
            for key, inner in cast("dict[str, Any]", item).items():
                inside = f"{pointer}/{_shown(key)}"
                if not _storable(key):
                    faults.append(Fault(inside, "text.unreadable", "The name of the field cannot be stored."))
                waiting.append((inside, inner, depth + 1))
        elif isinstance(item, list):
            waiting += [
                (f"{pointer}/{index}", inner, depth + 1)
                for index, inner in enumerate(cast("list[Any]", item))
            ]
        elif (fault := _fault(pointer, item)) is not None:
            faults.append(fault)
    return sorted(faults, key=lambda fault: fault.pointer)


def _fault(pointer: str, value: object) -> Fault | None:
    if isinstance(value, str) and not _storable(value):
        return Fault(pointer, "text.unreadable", "The text holds a character that cannot be stored.")
    if isinstance(value, float) and not math.isfinite(value):
        return Fault(pointer, "number.not_finite", "The number is too large.")
    if isinstance(value, int) and abs(value) > MOST_INTEGER:
        return Fault(pointer, "number.out_of_range", "The number does not fit into 64 bits.")
    return None


def _shown(key: str) -> str:
    """A field's name inside a pointer, with what cannot be sent replaced."""
    readable = key.encode(errors="replace").decode().replace("\x00", "?")
    return readable.replace("~", "~0").replace("/", "~1")


def _storable(text: str) -> bool:
    """PostgreSQL stores no NUL, and a lone surrogate cannot be encoded."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _About:
    """What the request's headers say of its body, and of the answer's; a second line takes nothing back."""

    length = 0
    chunked = False
    encoded = False
    json_expected = False
    takes_gzip = False


def _about(scope: Scope) -> _About:
    about = _About()
    for name, value in cast("list[tuple[bytes, bytes]]", scope["headers"]):
        if name == b"content-length":
            about.length = int(value) if value.isdigit() else 0
        elif name == b"transfer-encoding":
            about.chunked = True
            about.encoded |= value.strip().lower() != b"chunked"
        elif name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower()
            about.json_expected |= media_type == b"application/json" or media_type.endswith(b"+json")
        elif name == b"content-encoding":
            about.encoded |= value.strip().lower() not in {b"", b"identity"}
        elif name == b"accept-encoding":
            about.takes_gzip = takes_gzip(value)
    return about


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _too_large(limit: int) -> QuartetError:
    return QuartetError(
        "body.too_large", f"The body is larger than the {limit} bytes that are taken.", kind=Kind.TOO_LARGE
    )


def _encoded() -> QuartetError:
    return RefusalError(
        "content_encoding.unsupported",
        "Bodies are taken as they are, without Content-Encoding: a small one can unpack to a huge one.",
        kind=Kind.UNSUPPORTED_MEDIA_TYPE,
        headers={"Accept-Encoding": "identity"},
    )


def _too_deep() -> QuartetError:
    return malformed("json.too_deep", f"The body nests deeper than {MOST_DEPTH} levels.")
