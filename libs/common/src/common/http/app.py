"""The one way to make an application: problem documents, ids, limits and documentation are never left out."""

import re
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.middleware import Middleware
from starlette.types import Scope

from common.health.routes import HealthView, health_router
from common.http.bodies import BodyMiddleware
from common.http.cors import cors
from common.http.direct import DirectMiddleware
from common.http.documented import documentation
from common.http.envelope import EnvelopeMiddleware
from common.http.faults import FaultMiddleware, install_handlers

NO_ROUTE = "(none)"


def create_app(
    *,
    title: str,
    service: str,
    routers: Sequence[APIRouter] = (),
    root_routers: Sequence[APIRouter] = (),
    prefix: str | None = None,
    version: str = "0.1.0",
    body_limit_bytes: int = 1_048_576,
    request_deadline_seconds: float = 15.0,
    cors_origins: Sequence[str] = (),
    documented: bool = True,
    health: HealthView | None = None,
) -> FastAPI:
    """`routers` go under `/api/v1/<service>` (or `prefix`), `root_routers` to the root.

    With `health` the older health paths are served under that prefix and under `/api/v1`. What routes work
    with is set as `app.state.<name>` by the composition root, before the first request.
    """
    base = f"/api/v1/{service}" if prefix is None else prefix
    route_of = _RouteNames()
    app = FastAPI(
        title=title,
        version=version,
        openapi_url=f"{base}/openapi.json" if documented else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: _operation_id(route, base),
        # Spans and metrics are the envelope's: the framework's own would come on top of them.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        middleware=[
            Middleware(EnvelopeMiddleware, route_of=route_of),
            *cors(cors_origins),
            Middleware(FaultMiddleware, deadline_seconds=request_deadline_seconds),
            Middleware(BodyMiddleware, limit_bytes=body_limit_bytes),
            Middleware(DirectMiddleware),
        ],
    )
    route_of.app = app
    app.state.cors_origins = frozenset(cors_origins)
    install_handlers(app)
    for router in routers:
        app.include_router(router, prefix=base)
    for router in root_routers:
        app.include_router(router)
    if health is not None:
        app.state.health = health
        app.include_router(health_router(), prefix=base)
        app.include_router(health_router(), prefix="/api/v1", include_in_schema=False)
    if documented:
        app.openapi = documentation(app)
    return app


def _operation_id(route: APIRoute, base: str) -> str:
    """By what is asked and not by what the code calls it: clients are made with these names."""
    path = re.sub(r"\W+", "_", route.path_format.removeprefix(base)).strip("_")
    return "_".join((*sorted(method.lower() for method in route.methods or ()), *filter(None, (path,))))


class _RouteNames:
    """From a routed scope to its path template; made when first asked, when all routes are there."""

    app: FastAPI
    _templates: dict[object, list[tuple[Any, str]]] | None = None

    def __call__(self, scope: Scope) -> str:
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return NO_ROUTE
        if self._templates is None:
            self._templates = self._collect()
        found = self._templates.get(endpoint, [])
        if len(found) == 1:
            return found[0][1]
        return next((path for regex, path in found if regex.match(scope["path"])), NO_ROUTE)

    def _collect(self) -> dict[object, list[tuple[Any, str]]]:
        templates: dict[object, list[tuple[Any, str]]] = {}
        for context in iter_route_contexts(self.app.routes):
            regex = getattr(context, "path_regex", None)
            if context.endpoint is not None and context.path_format is not None and regex is not None:
                templates.setdefault(context.endpoint, []).append((regex, context.path_format))
        return templates
