"""Who wants which events of a service."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from common.contracts.envelope import Event, Payload, stem
from common.contracts.topics import Topic, heard_by
from common.postgres.engine import Transaction

P = TypeVar("P", bound=Payload)

Each = Callable[[Transaction, Event[P]], Awaitable[None]]
Batch = Callable[[Transaction, Sequence[Event[P]]], Awaitable[None]]


@dataclass(frozen=True)
class Handler:
    payload_type: type[Payload]
    each: Callable[[Transaction, Event[Any]], Awaitable[None]] | None = None
    batch: Callable[[Transaction, Sequence[Event[Any]]], Awaitable[None]] | None = None


class Handlers:
    """A handler writes rows: its effect, or a job. It crosses no network and opens no transaction."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._by_stem: dict[str, Handler] = {}

    def each(self, payload_type: type[P], handler: Each[P]) -> None:
        """Called for one event at a time, as the event's user, who must be named in it."""
        self._add(Handler(payload_type, each=handler))

    def batch(self, payload_type: type[P], handler: Batch[P]) -> None:
        """Called with all events of the type that a batch holds, as system."""
        self._add(Handler(payload_type, batch=handler))

    def of(self, stem: str) -> Handler:
        return self._by_stem[stem]

    @property
    def payload_types(self) -> dict[str, type[Payload]]:
        """By type and version, which a message names."""
        return {name: handler.payload_type for name, handler in self._by_stem.items()}

    @property
    def topics(self) -> tuple[Topic, ...]:
        topics = {
            handler.payload_type.topic.name: handler.payload_type.topic for handler in self._by_stem.values()
        }
        return tuple(topics[name] for name in sorted(topics))

    def _add(self, handler: Handler) -> None:
        payload_type = handler.payload_type
        if payload_type.topic not in heard_by(self.service):
            raise ValueError(
                f"{self.service} does not listen to {payload_type.topic.name}: see contracts/topics.py"
            )
        name = stem(payload_type)
        if name in self._by_stem:
            raise ValueError(f"{name} has a handler already")
        self._by_stem[name] = handler
