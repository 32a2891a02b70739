"""Spans that a test can look at, recorded in its own process."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.telemetry.tracing import record_with


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """Spans of this test only."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    record_with(provider)
    yield exporter
    record_with(None)
    provider.shutdown()
