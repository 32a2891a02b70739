"""A CloudEvents 1.0 event: what the outbox stores, the relay sends and a consumer receives."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from common.contracts.topics import Topic

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"


class Payload(BaseModel):
    """What an event says. Strict where it is made; `parse_event` in `messaging.headers` reads tolerantly."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    event_type: ClassVar[str]
    event_version: ClassVar[int] = 1
    topic: ClassVar[Topic]
    personal: ClassVar[frozenset[str]] = frozenset()
    """Fields that tell about a person more than an id does: their topic forgets within a week."""
    passes_parked: ClassVar[bool] = False
    """Handled although earlier messages of its key had to stop: it makes them pointless."""


def stem(payload: type[Payload]) -> str:
    """Type and version: how files and messages of documents are named."""
    return f"{payload.event_type}.v{payload.event_version}"


def schema_urn(payload: type[Payload]) -> str:
    return f"urn:quartet:schema:{stem(payload)}"


PayloadT_co = TypeVar("PayloadT_co", bound=Payload, covariant=True)


@dataclass(frozen=True)
class Event(Generic[PayloadT_co]):
    id: UUID
    key: str
    """The aggregate's id: order is kept among events of one key."""
    data: PayloadT_co
    time: datetime
    user_id: UUID | None
    """Whom the event is about; an event without one may only have a set-based handler."""
    trace: dict[str, str] = field(default_factory=dict[str, str])
    """W3C trace context headers (`traceparent`, `tracestate`)."""

    @property
    def type(self) -> str:
        return self.data.event_type

    @property
    def stem(self) -> str:
        """Type and version: two versions of a type are two payloads, each with its handler."""
        return stem(type(self.data))
