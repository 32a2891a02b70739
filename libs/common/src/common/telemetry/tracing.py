"""One trace from a request over outbox and Kafka to the effect; exported only where an endpoint is set."""

import random
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from common.settings import TelemetrySettings

_PROPAGATOR = TraceContextTextMapPropagator()
_EXPORT_SECONDS = 5.0
_FLUSH_SECONDS = 2.0


class _Recorder:
    """None while nobody records: asking a tracer that records nothing costs more than drawing the ids."""

    tracer: Tracer | None = None


_RECORDER = _Recorder()


def configure_tracing(settings: TelemetrySettings, *, service: str, process: str) -> TracerProvider | None:
    """Without an endpoint nothing is recorded: ids still travel, at the cost of drawing them."""
    if settings.otlp_endpoint is None:
        return None
    # Brings an HTTP client along, and most installations start without it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - see above
        OTLPSpanExporter,
    )

    provider = TracerProvider(
        # Who began a trace decided whether it is recorded; half a trace helps nobody.
        sampler=ParentBasedTraceIdRatio(settings.sample_ratio),
        resource=Resource.create({"service.name": f"{service}-{process}", "service.namespace": "quartet"}),
        # At exit it would wait for a collector that is away.
        shutdown_on_exit=False,
    )
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    # A thread and a queue of its own: when the collector is away spans are dropped, requests never wait.
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS))
    )
    record_with(provider)
    return provider


def record_with(provider: TracerProvider | None) -> None:
    """From now on spans are recorded; with None no more."""
    _RECORDER.tracer = None if provider is None else provider.get_tracer("quartet")


def close_tracing(provider: TracerProvider) -> None:
    """Sends what waits. A collector that is away gets two seconds: the library would give it thirty."""
    record_with(None)
    closing = threading.Thread(target=provider.shutdown, name="tracing-close", daemon=True)
    closing.start()
    closing.join(_FLUSH_SECONDS)


def is_recording() -> bool:
    return _RECORDER.tracer is not None


@contextmanager
def span(
    name: str,
    *,
    parent: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] = (),
) -> Generator[Span, None, None]:
    """A span that has valid ids whether or not anybody records it.

    Of an error it shows only that there was one: what an exception says may quote a row.
    """
    current = start_span(name, parent=parent, kind=kind, links=links)
    token = otel.attach(trace.set_span_in_context(current, parent))
    try:
        yield current
    except BaseException:
        current.set_status(StatusCode.ERROR)
        raise
    finally:
        otel.detach(token)
        current.end()


def start_span(
    name: str,
    *,
    parent: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] = (),
    start_ns: int | None = None,
) -> Span:
    if _RECORDER.tracer is not None:
        return _RECORDER.tracer.start_span(name, context=parent, kind=kind, links=links, start_time=start_ns)
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
