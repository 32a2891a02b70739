"""A Kafka record on its way through the lanes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zlib import crc32

from aiokafka import TopicPartition
from opentelemetry.trace import get_current_span

from common.contracts.envelope import Event, Payload
from common.messaging.headers import (
    Record,
    UndecodableError,
    id_of,
    parse_event,
    readable_key,
    trace_of,
    type_of,
)
from common.telemetry.tracing import continue_trace


@dataclass(slots=True, eq=False)
class Message:
    tp: TopicPartition
    offset: int
    topic: str
    """As contracts name it, without the installation's prefix."""
    key: str | None
    event_id: UUID
    event_type: str | None
    event: Event[Any] | None
    fault: UndecodableError | None
    record: Record
    epoch: int
    """The assignment under which it was fetched; a later one has given it to somebody else."""

    @property
    def trace_id(self) -> str | None:
        """Of its cause, for the log; None when it names none that can be read."""
        context = get_current_span(continue_trace(trace_of(self.record))).get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else None

    @property
    def sort_key(self) -> tuple[str, str]:
        return (self.topic, self.key or "")


def read(
    record: Record, by_stem: Mapping[str, type[Payload]], *, tp: TopicPartition, topic: str, epoch: int
) -> Message | None:
    """None for a type that nobody here wants; whatever cannot be read is a message with a fault.

    A version of a wanted type that is not known is such a fault: it waits for the release that knows it.
    """
    event_type = type_of(record)
    try:
        event = parse_event(record, by_stem)
    except UndecodableError as fault:
        wanted = {payload.event_type for payload in by_stem.values()}
        if event_type is not None and event_type not in wanted:
            return None
        key, event_id = readable_key(record), id_of(record)
        return Message(tp, record.offset, topic, key, event_id, event_type, None, fault, record, epoch)
    return Message(tp, record.offset, topic, event.key, event.id, event_type, event, None, record, epoch)


def lane_of(message: Message, lanes: int) -> int:
    """One lane for a key, whatever its topic; keyless ones follow their partition."""
    if message.key is None:
        return message.tp.partition % lanes
    return crc32(message.key.encode()) % lanes
