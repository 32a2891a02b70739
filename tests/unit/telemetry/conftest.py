from collections.abc import Generator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.telemetry import tracing
from common.telemetry.logging import configure_logging


@pytest.fixture(autouse=True)
def logged() -> None:
    configure_logging(service="auth", process="api")


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Generator[InMemorySpanExporter]:
    """Spans of this test only: the global provider can be set once in a process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_TRACER", trace.get_tracer("test", tracer_provider=provider))
    monkeypatch.setattr(tracing._RECORDING, "on", True)
    yield exporter
    provider.shutdown()
