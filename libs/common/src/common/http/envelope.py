"""Around every request: its id, its span, its line in the log, its metric and the headers of every answer."""

import re
import time
from collections.abc import Callable
from typing import cast

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.http.answers import ADDED_HEADERS
from common.ids import new_id_text
from common.telemetry.logging import ACCESS_LOG, REQUEST_ID
from common.telemetry.metrics import HTTP_REQUESTS
from common.telemetry.tracing import continue_trace, start_span

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_NO_STORE = (b"cache-control", b"no-store")


class EnvelopeMiddleware:
    """The log and the metric name the route, never the path or the query: those may hold secrets."""

    def __init__(self, app: ASGIApp, *, route_of: Callable[[Scope], str]) -> None:
        self._app = app
        self._route_of = route_of
        self._metrics: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, span = _begin(scope)
        status = 0
        first_byte = began = time.perf_counter()
        id_header = (b"x-request-id", request_id.encode())

        async def with_headers(message: Message) -> None:
            nonlocal status, first_byte
            if message["type"] == "http.response.start":
                status, first_byte = message["status"], time.perf_counter()
                headers = cast("list[tuple[bytes, bytes]]", list(message.get("headers", ())))
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                message["headers"] = [*headers, *scope.get(ADDED_HEADERS, ()), *_HEADERS, id_header]
            await send(message)

        id_token = REQUEST_ID.set(request_id)
        span_token = otel.attach(trace.set_span_in_context(span))
        try:
            await self._app(scope, receive, with_headers)
        finally:
            method, route = scope["method"], self._route_of(scope)
            self._metric(method, route, status).observe(first_byte - began)
            ACCESS_LOG.write(method=method, route=route, status=status, seconds=time.perf_counter() - began)
            _end(span, method, route, status)
            otel.detach(span_token)
            REQUEST_ID.reset(id_token)

    def _metric(self, method: str, route: str, status: int) -> Histogram:
        """Kept: finding the labels anew takes a lock and a validation each time."""
        key = (method, route, status)
        metric = self._metrics.get(key)
        if metric is None:
            metric = self._metrics[key] = HTTP_REQUESTS.labels(method, route, status)
        return metric


def _begin(scope: Scope) -> tuple[str, Span]:
    request_id: str | None = None
    carried: dict[str, str] = {}
    for name, value in cast("list[tuple[bytes, bytes]]", scope["headers"]):
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            request_id = value.decode()
        elif name in {b"traceparent", b"tracestate"}:
            carried[name.decode()] = value.decode("latin-1")
    parent = continue_trace(carried) if carried else None
    return request_id or new_id_text(), start_span(scope["method"], parent=parent, kind=SpanKind.SERVER)


def _end(span: Span, method: str, route: str, status: int) -> None:
    if span.is_recording():
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        )
        if status >= 500 or status == 0:
            span.set_status(StatusCode.ERROR)
    span.end()
