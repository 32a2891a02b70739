"""The gateway's locations and its own refusals, as nginx reads them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import Kind
from common.problems import TITLES
from quartet_cli.stack.table import ENTRIES, ServiceEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What nginx answers by itself: `status` for everything in `causes`, its own codes included."""

    status: int
    causes: tuple[int, ...]
    code: str
    title: str
    detail: str
    retry_after_seconds: int | None = None
    allow: str | None = None


REFUSALS = (
    Refusal(
        status=400,
        # a coding of the body or a version of HTTP that nginx does not know is the caller's fault, too
        causes=(400, 495, 496, 497, 501, 505),
        code="request.malformed",
        title=TITLES[Kind.MALFORMED],
        detail="The request is no HTTP over TLS that is understood here.",
    ),
    Refusal(
        status=404,
        causes=(403, 404),
        code="route.not_found",
        title=TITLES[Kind.NOT_FOUND],
        detail="There is no such path.",
    ),
    Refusal(
        status=405,
        causes=(405,),
        code="method.not_allowed",
        title=TITLES[Kind.METHOD_NOT_ALLOWED],
        detail="This path does not take the method; Allow names those that it takes.",
        # of what nginx answers by itself: its health and the pages of the documentation
        allow="GET, HEAD",
    ),
    Refusal(
        status=412,
        causes=(412,),
        code="precondition_failed",
        title=TITLES[Kind.PRECONDITION_FAILED],
        detail="What is there is not what the request demands; read it anew.",
    ),
    Refusal(
        status=413,
        causes=(413,),
        code="body.too_large",
        title=TITLES[Kind.TOO_LARGE],
        detail="The body is larger than the gateway lets through.",
    ),
    Refusal(
        status=414,
        causes=(414,),
        code="request.uri_too_long",
        title="The address is too long",
        detail="The address is longer than the gateway lets through.",
    ),
    Refusal(
        status=429,
        causes=(429,),
        code="requests.too_many",
        title=TITLES[Kind.TOO_MANY],
        detail="Too many requests came from this address.",
        retry_after_seconds=1,
    ),
    Refusal(
        status=431,
        causes=(431, 494),
        code="request.headers_too_large",
        title="The headers are too large",
        detail="The headers are larger than the gateway lets through.",
    ),
    Refusal(
        status=500,
        causes=(500,),
        code="internal",
        title=TITLES[Kind.INTERNAL],
        detail="The gateway could not handle the request.",
    ),
    Refusal(
        status=503,
        causes=(502, 503),
        code="service.unavailable",
        title=TITLES[Kind.UNAVAILABLE],
        detail="The service does not answer at the moment.",
        retry_after_seconds=2,
    ),
    Refusal(
        status=504,
        causes=(504,),
        code="request.timeout",
        title=TITLES[Kind.TIMEOUT],
        detail="The service did not answer in time.",
        retry_after_seconds=2,
    ),
)


def upstreams_text(addresses: Mapping[str, str]) -> str:
    """No connection is kept: a POST sent into one that the service just closed could not be repeated."""
    return "\n".join(
        f"upstream {name} {{ server {address} max_fails=0; }}" for name, address in addresses.items()
    )


def locations_text() -> str:
    return "\n\n".join(text for entry in ENTRIES for text in _of_service(entry))


def _of_service(entry: ServiceEntry) -> list[str]:
    prefixes = (f"{entry.prefix}/", *entry.extra_routes)
    return [
        *(_location(f"~ ^{entry.prefix}{stream}$", entry.name, _STREAM) for stream in entry.streams),
        *(_location(prefix, entry.name) for prefix in prefixes),
        # nginx would redirect to the path with a slash, which is just as unknown
        *(f"location = {prefix.rstrip('/')} {{ return 404; }}" for prefix in prefixes),
    ]


# events reach the browser one by one, and a quiet hour is no reason to hang up
_STREAM = ("proxy_buffering off;", "proxy_cache off;", "gzip off;", "proxy_read_timeout 1h;")


def _location(matcher: str, upstream: str, lines: tuple[str, ...] = ()) -> str:
    body = "".join(f"    {line}\n" for line in (f"proxy_pass http://{upstream};", *lines))
    return f"location {matcher} {{\n{body}}}"


def problems_text() -> str:
    return "\n\n".join(_problem(refusal) for refusal in REFUSALS)


def _problem(refusal: Refusal) -> str:
    """nginx fills in path and id of the request, both from alphabets that cannot leave a JSON string."""
    document = {
        "type": f"urn:quartet:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
        "instance": "$quartet_instance",
        "request_id": "$quartet_request_id",
    }
    place = f"/-/problem/{refusal.status}"
    headers = [
        "add_header X-Request-ID $quartet_request_id always;",
        "add_header Cache-Control no-store always;",
        "add_header X-Content-Type-Options nosniff always;",
    ]
    if refusal.retry_after_seconds is not None:
        headers.append(f"add_header Retry-After {refusal.retry_after_seconds} always;")
    if refusal.allow is not None:
        headers.append(f'add_header Allow "{refusal.allow}" always;')
    causes = " ".join(str(cause) for cause in refusal.causes)
    lines = [
        "internal;",
        "default_type application/problem+json;",
        *headers,
        f"return {refusal.status} '{json.dumps(document)}';",
    ]
    body = "".join(f"    {line}\n" for line in lines)
    return f"error_page {causes} ={refusal.status} {place};\nlocation = {place} {{\n{body}}}"
