"""The short way to hot reads: past the framework's matching and its solving of dependencies.

Both cost a fifth of `GET /profile/me` (docs/benchmarks). A route goes this way when its path is fixed, it
makes its own Response, and all it depends on are coroutines that take the request or one another; every other
route goes the framework's way, with the same outcome.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from common.errors import QuartetError
from common.http.faults import answer_to

_REQUEST: Final = -1
_Call = Callable[..., Awaitable[Any]]
_Step = tuple[_Call, tuple[tuple[str, int], ...]]
"""What is called, and for each argument which step's outcome it gets."""


class DirectMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._routes: dict[tuple[str, str], DirectRoute] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._routes is None:
            self._routes = direct_routes(scope["app"])
        route = self._routes.get((scope["method"], scope["path"]))
        if route is None or scope.get("root_path"):
            await self._app(scope, receive, send)
        else:
            await route(scope, receive, send)


class DirectRoute:
    def __init__(self, endpoint: _Call, steps: tuple[_Step, ...]) -> None:
        self.endpoint: Final = endpoint
        self._steps = steps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["endpoint"] = self.endpoint
        outcomes: list[Any] = []
        request = Request(scope, receive, send)
        try:
            for call, arguments in self._steps:
                outcomes.append(
                    await call(
                        **{name: request if at == _REQUEST else outcomes[at] for name, at in arguments}
                    )
                )
            response: Response = outcomes[-1]
        except (QuartetError, HTTPException) as error:
            response = answer_to(error, scope)
        await response(scope, receive, send)


def direct_routes(app: FastAPI) -> dict[tuple[str, str], DirectRoute]:
    routes: dict[tuple[str, str], DirectRoute] = {}
    earlier: list[tuple[re.Pattern[str], str]] = []
    for context in iter_route_contexts(app.routes):
        dependant: Dependant | None = getattr(context, "dependant", None)
        route = None if dependant is None else _direct(dependant)
        path, methods = context.path or "", context.methods or ()
        for method in methods if route is not None and "{" not in path else ():
            # of two routes that fit, the framework takes the first
            if not any(known.match(path) and method == its for known, its in earlier):
                routes[method, path] = cast("DirectRoute", route)
        if hasattr(context, "path_regex"):
            earlier += [(context.path_regex, method) for method in methods]
    return routes


def _direct(dependant: Dependant) -> DirectRoute | None:
    endpoint = dependant.call
    if endpoint is None or not _answers_itself(endpoint):
        return None
    steps: list[_Step] = []
    places: dict[Any, int] = {}
    if not _add(dependant, steps, places):
        return None
    return DirectRoute(endpoint, tuple(steps))


def _add(dependant: Dependant, steps: list[_Step], places: dict[Any, int]) -> bool:
    """Puts what is depended on first, each call once; False for what only the framework can provide."""
    call = dependant.call
    if call is None or not _only_asks_for_the_request(dependant) or not _is_coroutine(call):
        return False
    arguments: list[tuple[str, int]] = []
    for inner in dependant.dependencies:
        if not inner.use_cache or (inner.call not in places and not _add(inner, steps, places)):
            return False
        if inner.name is not None:
            arguments.append((inner.name, places[inner.call]))
    if dependant.request_param_name is not None:
        arguments.append((dependant.request_param_name, _REQUEST))
    places[call] = len(steps)
    steps.append((call, tuple(arguments)))
    return True


def _only_asks_for_the_request(dependant: Dependant) -> bool:
    return not (
        dependant.path_params
        or dependant.query_params
        or dependant.header_params
        or dependant.cookie_params
        or dependant.body_params
        or dependant.own_oauth_scopes
        or dependant.http_connection_param_name
        or dependant.websocket_param_name
        or dependant.response_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
    )


def _is_coroutine(call: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004 - instances too


def _answers_itself(endpoint: Callable[..., Any]) -> bool:
    returned = inspect.signature(endpoint).return_annotation
    return isinstance(returned, type) and issubclass(returned, Response)
