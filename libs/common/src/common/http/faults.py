"""Whatever goes wrong becomes a problem document: raised on purpose, by the framework, too slow, or a bug."""

import asyncio

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.errors import Kind, QuartetError, unavailable
from common.http.answers import problem_response, send_problem
from common.http.validation import invalid_request, malformed

_log = structlog.get_logger("http")


class FaultMiddleware:
    """No request is left without an answer, and no answer shows how the code failed.

    The deadline ends with the answer's first byte: a stream may go on for hours.
    """

    def __init__(self, app: ASGIApp, *, deadline_seconds: float) -> None:
        self._app = app
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                timer.reschedule(None)
            await send(message)

        failure: QuartetError | None = None
        timer = asyncio.timeout(self._deadline)
        try:
            async with timer:
                await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            # Told to stop while the process leaves; the caller should know that it may ask again.
            if not started:
                await send_problem(unavailable("server.stopping", "Please try again."), scope, receive, send)
            raise
        except TimeoutError as error:
            failure = _too_slow() if timer.expired() else _bug(error)
        except Exception as error:  # noqa: BLE001 - the last one who could answer
            failure = _failure_of(error)
        if failure is not None and not started:
            await send_problem(failure, scope, receive, send)


def install_handlers(app: FastAPI) -> None:
    async def quartet_error(request: Request, error: QuartetError) -> Response:
        return answer_to(error, request.scope)

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        # Bytes that nobody parsed: the route wanted JSON and the request called its body something else.
        if isinstance(error.body, bytes):
            return problem_response(_unsupported(), request.scope)
        return problem_response(invalid_request(error.errors()), request.scope)

    async def framework_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allowed = ", ".join(sorted(_allowed_methods(app, request.scope)))
            return problem_response(_not_allowed(), request.scope, headers={"Allow": allowed})
        return answer_to(error, request.scope)

    app.add_exception_handler(QuartetError, quartet_error)  # type: ignore[arg-type] - typed too narrowly there
    app.add_exception_handler(RequestValidationError, invalid)  # type: ignore[arg-type] - typed too narrowly there
    app.add_exception_handler(HTTPException, framework_error)  # type: ignore[arg-type] - typed too narrowly there


def answer_to(error: QuartetError | HTTPException, scope: Scope) -> Response:
    """Of what a route raised: what is our own fault is in the log, under the id that the answer names."""
    if isinstance(error, HTTPException):
        return problem_response(_from_status(error.status_code), scope)
    if error.kind is Kind.INTERNAL:
        _log.error("internal_error", code=error.code, exc_info=error)
    return problem_response(error, scope)


def _allowed_methods(app: FastAPI, scope: Scope) -> set[str]:
    """Of every route with this path: the framework names the first one's only."""
    methods: set[str] = set()
    for context in iter_route_contexts(app.routes):
        regex = getattr(context, "path_regex", None)
        if regex is not None and regex.match(scope["path"]) and context.methods:
            methods |= context.methods
    return methods | {"HEAD"} if "GET" in methods else methods


def _from_status(status: int) -> QuartetError:
    if status == 404:
        return QuartetError("route.not_found", "There is no such path.", kind=Kind.NOT_FOUND)
    if status == 413:
        return QuartetError("body.too_large", "The body is larger than what is taken.", kind=Kind.TOO_LARGE)
    if status == 415:
        return _unsupported()
    if status >= 500:
        return QuartetError("internal", "Something went wrong here.", kind=Kind.INTERNAL)
    return malformed("body.malformed", "The body cannot be read.")


def _unsupported() -> QuartetError:
    return QuartetError(
        "media_type.unsupported",
        "The body must be JSON, and Content-Type must say so: application/json.",
        kind=Kind.UNSUPPORTED_MEDIA_TYPE,
    )


def _not_allowed() -> QuartetError:
    return QuartetError(
        "method.not_allowed",
        "This path does not take the method; Allow names those that it takes.",
        kind=Kind.METHOD_NOT_ALLOWED,
    )


def _failure_of(error: Exception) -> QuartetError:
    if isinstance(error, QuartetError):
        # from a response that could not begin; what a route raises has been answered further in
        return error
    if isinstance(error, ClientDisconnect):
        return malformed("body.incomplete", "The body ended before it was complete.")
    return _bug(error)


def _too_slow() -> QuartetError:
    return QuartetError(
        "request.timeout",
        "The request took too long and was given up.",
        kind=Kind.TIMEOUT,
        retry_after_seconds=2,
    )


def _bug(error: BaseException) -> QuartetError:
    _log.error("unhandled", exc_info=error)
    return QuartetError(
        "internal", "Something went wrong here; the request id names it in the logs.", kind=Kind.INTERNAL
    )
