import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError

from common.http.app import create_app
from common.settings import TelemetrySettings
from common.telemetry.tracing import (
    close_tracing,
    configure_tracing,
    continue_trace,
    current_trace_headers,
    current_trace_id,
    is_recording,
    span,
    start_span,
)
from tests.support.listening import client_of
from tests.support.otlp import collector

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


class TestASpanOfAnError:
    def test_shows_that_there_was_one_and_none_of_its_words(self, exported: InMemorySpanExporter):
        with pytest.raises(ValueError, match="hunter2"), span("work"):
            raise ValueError("password hunter2 of ada@example.org")

        (work,) = exported.get_finished_spans()
        assert not work.status.is_ok
        assert work.status.description is None
        assert "hunter2" not in work.to_json()


class TestSecretsOfARequest:
    async def test_are_in_no_span(self, exported: InMemorySpanExporter):
        router = APIRouter()

        @router.post("/things/{name}")
        async def make(name: str) -> None:
            raise RuntimeError(f"{name} hunter2 is broken")

        async with client_of(create_app(title="Auth", service="auth", routers=[router])) as client:
            await client.post(
                "/api/v1/auth/things/hunter2?token=hunter2",
                headers={"Authorization": "Bearer hunter2", "Cookie": "sid=hunter2", "User-Agent": "hunter2"},
                json={"password": "hunter2"},
            )
            await client.get("/hunter2")

        assert len(exported.get_finished_spans()) == 2
        assert [one.name for one in exported.get_finished_spans() if "hunter2" in one.to_json()] == []


@pytest.fixture
def tracing() -> Iterator[Callable[[TelemetrySettings], TracerProvider]]:
    """Configured as a process does it; closed if the test did not."""
    made: list[TracerProvider] = []

    def configure(settings: TelemetrySettings) -> TracerProvider:
        provider = configure_tracing(settings, service="auth", process="api")
        assert provider is not None
        made.append(provider)
        return provider

    yield configure
    for provider in made:
        close_tracing(provider)


class TestExport:
    def test_is_not_set_up_without_an_endpoint(self):
        assert configure_tracing(TelemetrySettings(), service="auth", process="api") is None
        assert not is_recording()

    async def test_reaches_a_collector(self, tracing):
        async with collector() as collecting:
            provider = tracing(TelemetrySettings(otlp_endpoint=collecting.url))
            with span("work", parent=continue_trace({"traceparent": PARENT})):
                pass
            await asyncio.to_thread(close_tracing, provider)

        (work,) = collecting.spans
        assert (work.process, work.name, work.trace_id) == ("auth-api", "work", TRACE)

    @pytest.mark.parametrize("collector_does", ["refuses", "is silent"])
    async def test_holds_up_no_request_and_no_end_when_the_collector(
        self, tracing, collector_does: str, free_port: int
    ):
        async with silent_on(free_port, listens=collector_does == "is silent") as url:
            provider = tracing(TelemetrySettings(otlp_endpoint=url))
            async with client_of(create_app(title="Auth", service="auth")) as client:
                # more than the queue holds
                statuses = {(await client.get("/nothing")).status_code for _ in range(50)}
                for _ in range(3_000):
                    start_span("work").end()
                statuses.add((await asyncio.wait_for(client.get("/nothing"), timeout=10)).status_code)
            began = time.monotonic()
            close_tracing(provider)

            assert statuses == {404}
            assert time.monotonic() - began < 10
            assert not is_recording()

    @pytest.mark.parametrize(("ratio", "recorded"), [(0.0, 0), (1.0, 20)])
    async def test_takes_its_part_of_the_traces_that_begin_here(self, tracing, ratio: float, recorded: int):
        async with collector() as collecting:
            provider = tracing(TelemetrySettings(otlp_endpoint=collecting.url, sample_ratio=ratio))
            for _ in range(20):
                with span("work"):
                    assert current_trace_id() is not None
            await asyncio.to_thread(close_tracing, provider)

        assert len(collecting.spans) == recorded

    async def test_takes_a_trace_that_its_caller_records_whatever_the_ratio(self, tracing):
        async with collector() as collecting:
            provider = tracing(TelemetrySettings(otlp_endpoint=collecting.url, sample_ratio=0.0))
            for flags in ("01", "00"):
                with span(flags, parent=continue_trace({"traceparent": f"{PARENT[:-2]}{flags}"})):
                    pass
            await asyncio.to_thread(close_tracing, provider)

        assert [one.name for one in collecting.spans] == ["01"]

    @pytest.mark.parametrize("endpoint", ["collector:4318", "https://user:pw@collector:4318", "ftp://x"])
    def test_is_refused_to_an_endpoint_that_is_none_or_holds_a_password(self, endpoint: str):
        with pytest.raises(ValidationError):
            TelemetrySettings(otlp_endpoint=endpoint)


@asynccontextmanager
async def silent_on(port: int, *, listens: bool) -> AsyncGenerator[str]:
    """Takes connections and answers nothing, or does not even take them."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        if listens:
            listener.listen()
        yield f"http://127.0.0.1:{port}"
