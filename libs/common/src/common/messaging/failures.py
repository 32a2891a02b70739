"""What a failed delivery means for its message."""

import traceback
from dataclasses import dataclass
from enum import StrEnum

from common.errors import Kind, QuartetError
from common.messaging.headers import UndecodableError

_AWAY = frozenset({"database.unavailable", "database.pool_exhausted", "database.closed", "database.refused"})
_LONGEST_DETAIL = 500


class FailureKind(StrEnum):
    TRANSIENT = "transient"
    """Passes by itself: tried again, and drained by itself when its key had to be parked."""
    PERMANENT = "permanent"
    UNDECODABLE = "undecodable"


@dataclass(frozen=True)
class Failure:
    kind: FailureKind
    error_class: str
    detail: str
    """Never the message's own words: an unknown error is told by where it was raised."""

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        name = type(error).__name__
        if isinstance(error, UndecodableError):
            return cls(FailureKind.UNDECODABLE, name, _one_line(str(error)))
        if isinstance(error, QuartetError):
            transient = error.kind in {Kind.UNAVAILABLE, Kind.TIMEOUT}
            return cls(
                FailureKind.TRANSIENT if transient else FailureKind.PERMANENT,
                name,
                _one_line(f"{error.code}: {error.detail}"),
            )
        return cls(FailureKind.PERMANENT, name, _place(error))


def database_is_away(error: BaseException) -> bool:
    """Nothing is said about the message then: whoever waits, waits without bound."""
    return isinstance(error, QuartetError) and error.code in _AWAY


def session_was_lost(error: BaseException) -> bool:
    """The server ended it, or the way there broke: by itself, or for what it was asked."""
    return isinstance(error, QuartetError) and error.code == "database.unavailable"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "raised nowhere"
    last = frames[-1]
    return _one_line(f"raised in {last.name}, {last.filename.rpartition('/')[2]}:{last.lineno}")


def _one_line(text: str) -> str:
    """Whatever an error says, it can be stored: no NUL, no half of a surrogate pair."""
    readable = text.encode(errors="replace").decode().replace("\x00", " ")
    return " ".join(readable.split())[:_LONGEST_DETAIL]
