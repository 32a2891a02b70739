"""How a route gets its limit: a dependency that names it, by caller or by address."""

from collections.abc import Iterable, Iterator
from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from common.errors import Kind, QuartetError
from common.http.addresses import client_address, network_of
from common.http.answers import add_header
from common.http.documented import codes_of
from common.http.operations import Operation
from common.http.permissions import CurrentUser
from common.http.rate_limits import Limit, Verdict
from common.http.shared_limits import RateLimits

_log = structlog.get_logger("limits")


def _describe(operation: Operation) -> None:
    policy = {"type": "string", "examples": ['"login";q=30;w=60']}
    state = {"type": "string", "examples": ['"login";r=29;t=2']}
    done = [status for status in operation.told["responses"] if status < "4"]
    operation.answers(
        "RateLimit-Policy",
        policy,
        description="Each limit that counted this: its requests, its seconds.",
        statuses=done,
    )
    operation.answers(
        "RateLimit", state, description="What remains, and the seconds to the next.", statuses=done
    )


class Limited:
    """A dependency: counts the request, or refuses it with 429 and says when to come back."""

    problems = codes_of(Kind.TOO_MANY, "requests.too_many")
    amendments = (_describe,)

    def __init__(self, limit: Limit) -> None:
        self.limit = limit


class PerAddress(Limited):
    async def __call__(self, request: Request) -> None:
        address = client_address(request.scope, trusted=request.app.state.trusted_proxies)
        await count(request, self.limit, "unknown" if address is None else network_of(address))


class PerUser(Limited):
    async def __call__(self, request: Request, user: CurrentUser) -> None:
        await count(request, self.limit, str(user.user_id))


def per_address(limit: Limit) -> Any:
    """`dependencies=[per_address(LIMIT)]` on a route or a router."""
    return Depends(PerAddress(limit))


def per_user(limit: Limit) -> Any:
    return Depends(PerUser(limit))


def limits_of(app: FastAPI) -> dict[str, Limit]:
    """By name, of all routes."""
    return {
        limit.name: limit
        for context in iter_route_contexts(app.routes)
        for limit in limits_in(getattr(context, "dependant", None))
    }


def limits_in(dependant: Dependant | None) -> Iterator[Limit]:
    if dependant is None:
        return
    if isinstance(dependant.call, Limited):
        yield dependant.call.limit
    for inner in dependant.dependencies:
        yield from limits_in(inner)


def warn_of_unknown(moved: Iterable[str], known: Iterable[str]) -> None:
    for name in sorted(set(moved) - set(known)):
        _log.warning("limits.unknown", name=name, known=sorted(known))


async def count(request: Request, limit: Limit, who: str) -> None:
    """For a limit by something else, an account say. `who` stands in Redis: no secret in the clear."""
    limits: RateLimits = request.app.state.rate_limits
    limit, verdict = await limits.take(limit, who)
    _tell(request, limit, verdict)
    if not verdict.allowed:
        raise QuartetError(
            "requests.too_many",
            f"Too many requests: {limit.requests} in {limit.seconds:g} seconds are taken here.",
            kind=Kind.TOO_MANY,
            retry_after_seconds=verdict.retry_after_seconds(limit),
        )


def _tell(request: Request, limit: Limit, verdict: Verdict) -> None:
    """As draft-ietf-httpapi-ratelimit-headers-11 says: lists, so that several limits stand side by side."""
    policy = f'"{limit.name}";q={limit.requests};w={max(1, round(limit.seconds))}'
    state = f'"{limit.name}";r={verdict.remaining(limit)};t={verdict.reset_seconds()}'
    add_header(request.scope, b"ratelimit-policy", policy.encode())
    add_header(request.scope, b"ratelimit", state.encode())
