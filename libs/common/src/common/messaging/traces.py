"""The spans of an event on its way: recorded with its cause, sent to Kafka, processed by a listener."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from opentelemetry.trace import Link, SpanKind, get_current_span

from common.contracts.envelope import Event, Payload
from common.messaging.headers import TRACE_HEADERS
from common.telemetry.tracing import (
    continue_trace,
    current_trace_headers,
    is_recording,
    span,
    start_span,
)

_SAMPLED = "01"
_MOST_LINKS = 128


class Outgoing(Protocol):
    """What the relay sends; this module is imported where nobody may know Kafka's client."""

    @property
    def topic(self) -> str: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@contextmanager
def recorded(events: Sequence[Event[Payload]]) -> Generator[Mapping[str, str], None, None]:
    """What the events carry along, so that whoever listens continues this trace."""
    if not is_recording():
        yield current_trace_headers()
        return
    first = events[0]
    name = first.type if len(events) == 1 else f"{len(events)} events"
    with span(f"record {name}", kind=SpanKind.PRODUCER) as current:
        current.set_attributes(_attributes(first.data.topic.name, "create"))
        current.set_attribute("messaging.batch.message_count", len(events))
        yield current_trace_headers()


@contextmanager
def sent(messages: Sequence[Outgoing]) -> Generator[None, None, None]:
    """One span for each event of a batch that Kafka has taken, if its trace is recorded."""
    began_ns = time.time_ns()
    yield
    if not is_recording():
        return
    for message in messages:
        carried = {name: value.decode() for name, value in message.headers if name in TRACE_HEADERS}
        if carried.get("traceparent", "").endswith(_SAMPLED):
            parent = continue_trace(carried)
            one = start_span(
                f"send {message.topic}", parent=parent, kind=SpanKind.PRODUCER, start_ns=began_ns
            )
            one.set_attributes(_attributes(message.topic, "send"))
            one.end()


@contextmanager
def processed(event: Event[Any]) -> Generator[None, None, None]:
    """The effect belongs to the trace of its cause."""
    with span(f"process {event.type}", parent=continue_trace(event.trace), kind=SpanKind.CONSUMER) as current:
        if current.is_recording():
            current.set_attributes(_attributes(event.data.topic.name, "process"))
            current.set_attribute("messaging.message.id", str(event.id))
        yield


@contextmanager
def processed_together(events: Sequence[Event[Any]]) -> Generator[None, None, None]:
    """Many causes, one effect: a trace of its own that is linked with theirs."""
    if not is_recording():
        yield
        return
    name = f"process {events[0].type}"
    causes = [get_current_span(continue_trace(event.trace)) for event in events[:_MOST_LINKS]]
    links = [Link(context) for cause in causes if (context := cause.get_span_context()).is_valid]
    with span(name, kind=SpanKind.CONSUMER, links=links) as current:
        current.set_attributes(_attributes(events[0].data.topic.name, "process"))
        current.set_attribute("messaging.batch.message_count", len(events))
        yield


def _attributes(topic: str, operation: str) -> dict[str, str]:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.operation.type": operation,
    }
