"""/livez, /readyz, /startupz and /metrics, on a port of their own; the status code is the contract."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from common.errors import Kind, QuartetError
from common.health.checks import Checks, Report, Result
from common.http.answers import problem_response
from common.telemetry.metrics import CONTENT_TYPE, exposition

_NO_STORE = {"Cache-Control": "no-store"}


Endpoint = Callable[[Request], Awaitable[Response]]


def probe_app(*, live: Checks, ready: Checks, started: Checks) -> ASGIApp:
    """No access log and no limits: it is asked every second, by neighbours only, and says nothing secret."""
    routes = [Route("/metrics", _metrics, methods=["GET"])]
    for name, checks in (("livez", live), ("readyz", ready), ("startupz", started)):
        routes += [
            Route(f"/{name}", _group(checks), methods=["GET"]),
            Route(f"/{name}/{{check}}", _single(checks), methods=["GET"]),
        ]
    return Starlette(
        routes=routes, exception_handlers={404: _not_found, 405: _not_allowed, Exception: _failed}
    )


def _group(checks: Checks) -> Endpoint:
    async def group(request: Request) -> Response:
        asked = request.query_params
        named = [name for value in asked.getlist("exclude") for name in value.split(",") if name]
        excluded = [name for name in named if name in checks.names]
        report = await checks.report(exclude=excluded)
        body = _verbose(report, excluded) if "verbose" in asked else _brief(report)
        if len(excluded) < len(named):
            # Nothing was left out for these: whoever asks should hear that the name is wrong.
            body["unknown"] = [name for name in named if name not in checks.names]
        return JSONResponse(body, status_code=200 if report.ok else 503, headers=_NO_STORE)

    return group


def _single(checks: Checks) -> Endpoint:
    async def single(request: Request) -> Response:
        result = await checks.one(request.path_params["check"])
        if result is None:
            return await _not_found(request, LookupError())
        status = 200 if result.healthy else 503
        return JSONResponse(described(result), status_code=status, headers=_NO_STORE)

    return single


def described(result: Result) -> dict[str, object]:
    return {
        "name": result.name,
        "status": "ok" if result.healthy else "failing",
        "severity": result.severity.value,
        "detail": result.detail,
        "milliseconds": round(result.seconds * 1000, 1),
        "data": dict(result.data),
    }


def status_word(report: Report) -> str:
    if not report.ok:
        return "failing"
    return "degraded" if report.degraded else "ok"


def _brief(report: Report) -> dict[str, object]:
    return {"status": status_word(report), "failing": list(report.degraded)}


def _verbose(report: Report, excluded: Sequence[str]) -> dict[str, object]:
    return {
        "status": status_word(report),
        "checks": [described(result) for result in report.results],
        "excluded": list(excluded),
    }


async def _metrics(request: Request) -> Response:  # noqa: ARG001 - the framework passes it
    return Response(exposition(), media_type=CONTENT_TYPE, headers=_NO_STORE)


async def _not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the framework passes it
    missing = QuartetError("route.not_found", "There is no such path.", kind=Kind.NOT_FOUND)
    return problem_response(missing, request.scope)


async def _not_allowed(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the framework passes it
    refused = QuartetError("method.not_allowed", "Probes are asked with GET.", kind=Kind.METHOD_NOT_ALLOWED)
    return problem_response(refused, request.scope, headers={"Allow": "GET, HEAD"})


async def _failed(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the framework passes it
    return problem_response(
        QuartetError("internal", "Something went wrong here.", kind=Kind.INTERNAL), request.scope
    )
