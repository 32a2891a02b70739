"""Sending a problem document, from a route's exception or straight from a middleware."""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from common.errors import Kind, QuartetError
from common.problems import MEDIA_TYPE, encode, problem, status_of
from common.telemetry.logging import REQUEST_ID
from common.telemetry.metrics import PROBLEMS


class RefusalError(QuartetError):
    """A problem whose answer carries headers of its own, or members that another standard asks for."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        kind: Kind,
        headers: Mapping[str, str],
        members: Mapping[str, str] | None = None,
        media_type: str = MEDIA_TYPE,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(code, detail, kind=kind, retry_after_seconds=retry_after_seconds)
        self.headers = headers
        self.members = members or {}
        self.media_type = media_type


ADDED_HEADERS = "quartet.headers"


def add_header(scope: Scope, name: bytes, value: bytes) -> None:
    """Goes with whatever is answered, a problem too; the envelope sends it."""
    scope.setdefault(ADDED_HEADERS, []).append((name, value))


def instance_of(scope: Scope) -> str:
    """The path as it was sent, without the query: that may hold a secret."""
    raw: bytes | None = scope.get("raw_path")
    return raw.partition(b"?")[0].decode("latin-1") if raw else quote(scope["path"])


def problem_response(error: QuartetError, scope: Scope, *, headers: dict[str, str] | None = None) -> Response:
    PROBLEMS.labels(error.code).inc()
    document = problem(error, instance=instance_of(scope), request_id=REQUEST_ID.get() or "")
    own = error if isinstance(error, RefusalError) else None
    response = Response(
        encode(document, own.members if own else {}),
        status_code=status_of(error),
        media_type=own.media_type if own else MEDIA_TYPE,
    )
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if error.kind is Kind.UNAUTHENTICATED or error.code == "scope.missing":
        response.headers["WWW-Authenticate"] = _challenge(error.code)
    for name, value in {**(own.headers if own else {}), **(headers or {})}.items():
        response.headers[name] = value
    return response


async def send_problem(error: QuartetError, scope: Scope, receive: Receive, send: Send) -> None:
    await problem_response(error, scope)(scope, receive, send)


def _challenge(code: str) -> str:
    """RFC 6750; without a token only that one is asked for."""
    if code == "scope.missing":
        return 'Bearer realm="quartet", error="insufficient_scope"'
    if code.startswith("token.") and code != "token.missing":
        return f'Bearer realm="quartet", error="invalid_token", error_description="{code}"'
    return 'Bearer realm="quartet"'
