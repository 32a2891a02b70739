"""Errors carry a kind, a stable code and a sentence; `problems.py` alone turns a kind into a status."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition_failed"
    PRECONDITION_REQUIRED = "precondition_required"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    MALFORMED = "malformed"
    TOO_MANY = "too_many"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    """Will pass by itself: a request is answered 503 with Retry-After, an event or job is tried again."""
    INTERNAL = "internal"


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one field of a request, named by a JSON pointer."""

    pointer: str
    code: str
    detail: str
    choices: tuple[str, ...] = ()
    """What could have been meant, where the value could mean several things."""


class QuartetError(Exception):
    def __init__(
        self,
        code: str,
        detail: str,
        *,
        kind: Kind,
        retry_after_seconds: int | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds
        self.faults = faults


def unavailable(code: str, detail: str, *, retry_after_seconds: int = 2) -> QuartetError:
    return QuartetError(code, detail, kind=Kind.UNAVAILABLE, retry_after_seconds=retry_after_seconds)
