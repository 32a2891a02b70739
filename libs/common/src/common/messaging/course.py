"""What is to be done next with a batch: all of it at once, then message by message, then parking (ADR 0006).

A message for which the server ends the session looks like a database that is away, until that one answers.

Only decides. A lane carries out what `next` says and tells how it went, so every course that failures can
give a batch can be run without a database or a clock.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from common.messaging.backoff import Backoff, Chance
from common.messaging.failures import Failure, FailureKind, database_is_away, session_was_lost
from common.messaging.messages import Message


@dataclass(frozen=True)
class Patience:
    attempts: int
    """Of a message that fails with what should pass by itself, or that loses its session although the
    database answers; then its key is parked."""
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


@dataclass(frozen=True)
class Ask:
    """Whether the database answers."""


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
        self._losses = 0
        self._lost: Exception | None = None
        self._failure: Failure | None = None

    def next(self, may_begin: Callable[[Message], bool]) -> Deliver | Park | Ask | None:
        """None when nothing is left; what may not begin any more belongs to somebody else."""
        while self._left:
            messages = [message for message in self._left[0] if may_begin(message)]
            if messages:
                self._left[0] = messages
                if self._failure is not None:
                    return Park(messages[0], self._failure, self._attempts)
                return Deliver(messages) if self._lost is None else Ask()
            self._turn_to_the_next()
        return None

    def succeeded(self) -> Sequence[Message]:
        """Those that are done by it."""
        done = self._left[0]
        self._turn_to_the_next()
        return done

    def answered(self) -> None:
        """The database did: so often in a row, and it was the message that lost the session."""
        lost, self._lost = self._lost, None
        self._losses += 1
        if lost is None or self._losses < self._patience.attempts:
            return
        if len(self._left[0]) > 1:
            self._take_apart()
        else:
            self._failure, self._attempts, self._away = Failure.of(lost), self._losses, 0

    def failed(self, error: Exception) -> Pause | None:
        """How long to wait before `next`; raises what a lane cannot go on after."""
        failure = Failure.of(error)
        if database_is_away(error):
            if self._failure is None and session_was_lost(error):
                self._lost = error
            return self._pause_for_the_database()
        if self._lost is not None:  # it did answer, if not with what was hoped for
            self._lost = None
            return self._pause_for_the_database()
        if self._failure is not None:
            if failure.kind is not FailureKind.TRANSIENT:
                raise error
            return self._pause_for_the_database()
        if len(self._left[0]) > 1:
            self._take_apart()
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

    def _take_apart(self) -> None:
        """Which of them it was shows when each is tried alone."""
        batch = self._left.popleft()
        self._left.extendleft([message] for message in reversed(batch))
        self._away, self._losses = 0, 0

    def _turn_to_the_next(self) -> None:
        self._left.popleft()
        self._attempts, self._away, self._losses = 0, 0, 0
        self._lost, self._failure = None, None
