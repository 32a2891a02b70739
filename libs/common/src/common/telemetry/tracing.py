"""One trace from a request over outbox and Kafka to the effect; exported only where an endpoint is set."""

import random
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("quartet")


class _Recording:
    """Asking a tracer that records nothing costs more than drawing the ids."""

    on = False


_RECORDING = _Recording()


def configure_tracing(*, service: str, process: str, otlp_endpoint: str | None) -> TracerProvider | None:
    """Without an endpoint nothing is recorded: ids still travel, at the cost of drawing them."""
    if otlp_endpoint is None:
        return None
    # Brings an HTTP client along, and most installations start without it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"{service}-{process}", "service.namespace": "quartet"})
    )
    endpoint = f"{otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    record_with(provider)
    return provider


def record_with(provider: TracerProvider) -> None:
    """From now on spans are recorded; a process can say so once."""
    trace.set_tracer_provider(provider)
    _RECORDING.on = True


@contextmanager
def span(
    name: str, *, parent: Context | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> Generator[Span, None, None]:
    """A span that has valid ids whether or not anybody records it."""
    token = otel.attach(parent) if parent is not None else None
    current = start_span(name, kind=kind)
    inner = otel.attach(trace.set_span_in_context(current))
    try:
        yield current
    finally:
        otel.detach(inner)
        if token is not None:
            otel.detach(token)
        current.end()


def start_span(name: str, *, parent: Context | None = None, kind: SpanKind = SpanKind.INTERNAL) -> Span:
    if _RECORDING.on:
        started = _TRACER.start_span(name, context=parent, kind=kind)
        if started.is_recording():
            return started
    known = trace.get_current_span(parent).get_span_context()
    return NonRecordingSpan(
        SpanContext(
            trace_id=known.trace_id if known.is_valid else random.getrandbits(128) or 1,
            span_id=random.getrandbits(64) or 1,
            is_remote=False,
            trace_flags=known.trace_flags if known.is_valid else TraceFlags(TraceFlags.DEFAULT),
            trace_state=known.trace_state,
        )
    )


def continue_trace(headers: Mapping[str, str]) -> Context:
    """The context that `traceparent` and `tracestate` describe; an unreadable one starts a new trace."""
    return _PROPAGATOR.extract(dict(headers), context=Context())


def current_trace_headers() -> dict[str, str]:
    """What to send or store so that the receiver continues this trace; empty outside of one."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers)
    return headers


def current_trace_id() -> str | None:
    known = trace.get_current_span().get_span_context()
    return f"{known.trace_id:032x}" if known.is_valid else None
