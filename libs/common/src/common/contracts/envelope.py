"""A CloudEvents 1.0 event: what the outbox stores, the relay sends and a consumer receives."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from common.contracts.topics import Topic


class Payload(BaseModel):
    """What an event says. Strict where it is made; `parse` in `messaging.headers` reads it tolerantly."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_type: ClassVar[str]
    event_version: ClassVar[int] = 1
    topic: ClassVar[Topic]


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
