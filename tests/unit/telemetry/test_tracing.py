import httpx
import pytest
from fastapi import APIRouter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.http.app import create_app
from common.telemetry.tracing import (
    configure_tracing,
    continue_trace,
    current_trace_headers,
    current_trace_id,
    span,
)
from tests.support.listening import client_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class TestASpan:
    def test_has_ids_even_if_nobody_records_it(self):
        with span("work"):
            headers = current_trace_headers()
            assert headers["traceparent"].split("-")[1] == current_trace_id()

        assert current_trace_headers() == {}
        assert current_trace_id() is None

    def test_keeps_the_trace_of_the_span_around_it(self):
        with span("outer"):
            outer, headers = current_trace_id(), current_trace_headers()
            with span("inner"):
                assert current_trace_id() == outer
                assert current_trace_headers() != headers

    def test_continues_what_headers_say(self):
        with span("consume", parent=continue_trace({"traceparent": PARENT, "tracestate": "a=b"})):
            headers = current_trace_headers()

        assert headers["traceparent"].split("-")[1] == TRACE
        assert headers["traceparent"].endswith("-01")
        assert headers["tracestate"] == "a=b"

    @pytest.mark.parametrize("unreadable", ["", "00-zz-zz-01", "\x00", PARENT + "extra"])
    def test_begins_anew_when_headers_are_unreadable(self, unreadable: str):
        with span("consume", parent=continue_trace({"traceparent": unreadable})):
            assert current_trace_id() not in {None, TRACE}


class TestARequest:
    async def test_is_a_span_of_the_callers_trace_that_events_continue(self, exported: InMemorySpanExporter):
        router = APIRouter()

        @router.post("/register/{name}")
        async def register(name: str) -> dict[str, str]:
            return current_trace_headers()

        app = create_app(title="Auth", service="auth", routers=[router])
        async with client_of(app, prefix="/api/v1/auth") as client:
            answer = await client.post("/register/ada", headers={"traceparent": PARENT})
        with span("consume", parent=continue_trace(answer.json())):
            pass

        request, consume = exported.get_finished_spans()
        assert request.name == "POST /api/v1/auth/register/{name}"
        assert request.attributes is not None
        assert request.attributes["http.response.status_code"] == 200
        assert f"{request.context.trace_id:032x}" == TRACE
        assert consume.context.trace_id == request.context.trace_id
        assert consume.parent is not None
        assert consume.parent.span_id == request.context.span_id

    async def test_that_fails_is_marked(self, exported: InMemorySpanExporter):
        router = APIRouter()

        @router.get("/bug")
        async def bug() -> None:
            raise ValueError("broken")

        async with client_of(create_app(title="Auth", service="auth", routers=[router])) as client:
            answer: httpx.Response = await client.get("/api/v1/auth/bug")

        (request,) = exported.get_finished_spans()
        assert answer.status_code == 500
        assert not request.status.is_ok


class TestExport:
    def test_is_not_set_up_without_an_endpoint(self):
        assert configure_tracing(service="auth", process="api", otlp_endpoint=None) is None
