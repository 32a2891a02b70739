"""What is to be done next with a batch: all of it at once, then message by message, then parking (ADR 0006).

Only decides. A lane carries out what `next` says and tells how it went, so every course that failures can
give a batch can be run without a database or a clock.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from common.messaging.backoff import Backoff, Chance
from common.messaging.failures import Failure, FailureKind, database_is_away
from common.messaging.messages import Message


@dataclass(frozen=True)
class Patience:
    attempts: int
    """Of a message that fails with something that should pass by itself; then its key is parked."""
    retry: Backoff
    database: Backoff


@dataclass(frozen=True)
class Deliver:
    """In one transaction, in this order."""

    messages: Sequence[Message]


@dataclass(frozen=True)
class Park:
    message: Message
    failure: Failure
    attempts: int


class Cause(Enum):
    DATABASE = auto()
    """Nothing can be said about the messages: tried again without bound."""
    TRANSIENT = auto()


@dataclass(frozen=True)
class Pause:
    seconds: float
    cause: Cause
    count: int
    """The how manieth in a row for this cause."""


class Course:
    def __init__(self, batch: Sequence[Message], patience: Patience, chance: Chance) -> None:
        self._left: deque[Sequence[Message]] = deque([batch])
        self._patience = patience
        self._chance = chance
        self._attempts = 0
        self._away = 0
        self._failure: Failure | None = None

    def next(self, may_begin: Callable[[Message], bool]) -> Deliver | Park | None:
        """None when nothing is left; what may not begin any more belongs to somebody else."""
        while self._left:
            messages = [message for message in self._left[0] if may_begin(message)]
            if messages:
                self._left[0] = messages
                if self._failure is not None:
                    return Park(messages[0], self._failure, self._attempts)
                return Deliver(messages)
            self._turn_to_the_next()
        return None

    def succeeded(self) -> Sequence[Message]:
        """Those that are done by it."""
        done = self._left[0]
        self._turn_to_the_next()
        return done

    def failed(self, error: Exception) -> Pause | None:
        """How long to wait before `next`; raises what a lane cannot go on after."""
        failure = Failure.of(error)
        if database_is_away(error):
            return self._pause_for_the_database()
        if self._failure is not None:
            if failure.kind is not FailureKind.TRANSIENT:
                raise error
            return self._pause_for_the_database()
        if len(self._left[0]) > 1:
            # which of them it was shows when each is tried alone
            batch = self._left.popleft()
            self._left.extendleft([message] for message in reversed(batch))
            self._away = 0
            return None
        self._attempts += 1
        if failure.kind is FailureKind.TRANSIENT and self._attempts < self._patience.attempts:
            return Pause(
                self._patience.retry.delay(self._attempts, self._chance), Cause.TRANSIENT, self._attempts
            )
        self._failure, self._away = failure, 0
        return None

    def _pause_for_the_database(self) -> Pause:
        self._away += 1
        return Pause(self._patience.database.delay(self._away, self._chance), Cause.DATABASE, self._away)

    def _turn_to_the_next(self) -> None:
        self._left.popleft()
        self._attempts, self._away, self._failure = 0, 0, None
