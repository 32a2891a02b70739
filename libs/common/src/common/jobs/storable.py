"""What fits into a jsonb column, decided before the database has to refuse it."""

import json
from typing import Final, cast

from common.errors import Kind, QuartetError

LIMIT_BYTES: Final = 65_536


def storable(value: object, *, what: str) -> str:
    """The value as JSON that PostgreSQL takes; anything else is an error that names what is wrong with it."""
    try:
        encoded = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        size = len(encoded.encode())
    except (TypeError, ValueError, RecursionError) as error:
        # UnicodeEncodeError, for half of a surrogate pair, is a ValueError; its text would repeat the value
        reason = "it holds half a character" if isinstance(error, UnicodeError) else str(error)
        raise _refused(what, f"is not JSON: {reason}") from None
    if size > LIMIT_BYTES:
        raise _refused(what, f"has {size} bytes of JSON, {LIMIT_BYTES} are allowed")
    if "\\u0000" in encoded and _has_nul(value):
        raise _refused(what, "holds the character U+0000, which PostgreSQL cannot store")
    return encoded


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return any(_has_nul(key) or _has_nul(member) for key, member in items)
    if isinstance(value, list | tuple):
        return any(_has_nul(member) for member in cast("list[object]", value))
    return False


def _refused(what: str, why: str) -> QuartetError:
    return QuartetError(f"job.{what}_not_storable", f"the {what} {why}", kind=Kind.INTERNAL)
