"""JSON lines on stdout, one an event, with the ids of request and trace and without anything secret."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from io import TextIOBase
from typing import Any, Final, TextIO, cast

import structlog
from structlog.types import Processor

from common.telemetry.tracing import current_trace_id

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

REDACTED = "[redacted]"
_SECRET_KEY = re.compile(
    r"passw|secret|token|authorization|cookie|credential|api_?key|private|encryption|seed|otp|dsn|^url$|_url$",
    re.IGNORECASE,
)
# Whatever came into a sentence: passwords in URLs, whatever stands in them, and in `password=…`, bearer
# values, JSON web tokens, and what pydantic quotes. Parts that may repeat are bounded, or a long line of a
# caller's would hold up the process.
_SECRET_TEXT = re.compile(
    r"(?P<url>\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]{0,200}:)[^\s]{1,1000}(?=@)"
    r"|(?P<pair>(?:passw(?:or)?d|passphrase|secret|token|api_?key|signature)=)[^\s&,;\"']+"
    r"|(?P<input>\binput_value=).{0,500}?(?=, input_type=)"
    r"|(?P<bearer>\b(?:bearer|basic)\s{1,8})[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<jwt>)\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
    re.IGNORECASE,
)
_MAY_BE_SECRET = re.compile(r"://|earer|asic|eyJ|[sdney]=|input_value", re.IGNORECASE)
_DEPTH = 6


def redact_text(text: str) -> str:
    if not _MAY_BE_SECRET.search(text):
        return text
    return _SECRET_TEXT.sub(lambda found: f"{_kept(found)}{REDACTED}", text)


def _kept(found: re.Match[str]) -> str:
    return found[found.lastgroup or 0] or ""


def _redact(value: object, depth: int = 0) -> object:
    if isinstance(value, str):
        return redact_text(value)
    if depth >= _DEPTH:
        return "[too deep]"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {
            str(key): REDACTED if _SECRET_KEY.search(str(key)) else _redact(item, depth + 1)
            for key, item in pairs
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(item, depth + 1) for item in cast("list[object]", list(value))]
    # the encoder would write the rest as text, an exception's words for one
    return value if isinstance(value, int | float | None) else redact_text(str(value))


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The last step before the line is written; what other steps added is looked at too."""
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = REDACTED
        elif not isinstance(value, int | float | None):
            event[key] = _redact(value)
    return event


def _add_ids(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    if (request_id := REQUEST_ID.get()) is not None:
        event.setdefault("request_id", request_id)
    if (trace_id := current_trace_id()) is not None:
        event.setdefault("trace_id", trace_id)
    return event


class _Stdout(TextIOBase):
    """Whatever stdout is at the moment of writing: loggers are made once and kept."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


_STDOUT = cast("TextIO", _Stdout())
_LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access", "aiokafka", "asyncpg", "asyncio", "sqlalchemy")
_CHATTY = ("httpx", "httpcore")
"""Their informational lines hold whole addresses, queries included."""


class AccessLog:
    """One line a request, put together by hand: its parts are known to be clean, and it is the hottest line.

    Through the processors, with their search for secrets, it cost more than the rest of the request.
    """

    enabled = True
    origin = ""

    def write(self, *, method: str, route: str, status: int, seconds: float) -> None:
        if not self.enabled:
            return
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print(  # noqa: T201 - stdout is where lines go
            f'{{"event": "request", "method": "{method}", "route": "{route}", "status": {status}, '
            f'"duration_ms": {seconds * 1000:.2f}, "level": "info", "timestamp": "{moment}"{self.origin}, '
            f'"request_id": "{REQUEST_ID.get()}", "trace_id": "{current_trace_id()}"}}',
            flush=True,
        )


ACCESS_LOG = AccessLog()


# One list for good: a logger that has written once keeps the list that it found.
_PROCESSORS: Final[list[Processor]] = []


def configure_logging(*, service: str, process: str, level: str = "info") -> None:
    """structlog's and the standard library's records leave by the same door."""

    def add_process(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        event["service"] = service
        event["process"] = process
        return event

    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_process,
        _add_ids,
    ]
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.JSONRenderer(default=str, ensure_ascii=True),
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    ACCESS_LOG.enabled = number <= logging.INFO
    ACCESS_LOG.origin = f', "service": "{service}", "process": "{process}"'
    _PROCESSORS[:] = [structlog.contextvars.merge_contextvars, *shared, *last]
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(_STDOUT),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_STDOUT)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.INFO))
    for name in (*_LIBRARIES, *_CHATTY):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        # Their informational lines repeat what our own say; aiokafka's name every broker round trip.
        library.setLevel(max(number, logging.WARNING))
