"""A kind of job: its body and its limits; and a job as its body sees it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.postgres.context import AsUser, Context

if TYPE_CHECKING:
    from common.jobs.control import Control


@dataclass(frozen=True)
class Progress:
    done: int
    total: int | None = None
    checkpoint: Mapping[str, Any] | None = None
    """What the body saved last: where the next run goes on."""


@dataclass(frozen=True)
class Job:
    id: UUID
    kind: str
    dedupe_key: str
    user_id: UUID | None
    arguments: Mapping[str, object]
    attempt: int
    """1 for the first run; a run that a stopping worker handed back does not count."""
    max_attempts: int
    progress: Progress | None
    """How far earlier runs came."""
    created_at: datetime
    claim: UUID
    trace: str | None = None

    @property
    def as_user(self) -> AsUser:
        """As whom the body opens its transactions."""
        return Context.SYSTEM if self.user_id is None else self.user_id

    @property
    def checkpoint(self) -> Mapping[str, Any]:
        """What an earlier run saved with its last effect; empty when there is nothing to go on from."""
        return {} if self.progress is None else self.progress.checkpoint or {}


@dataclass(frozen=True)
class Backoff:
    first_seconds: float = 2.0
    longest_seconds: float = 900.0

    def delay_seconds(self, attempt: int, *, chance: float) -> float:
        """Doubles with each attempt; `chance` (0 to 1) spreads jobs that failed together over half of it."""
        whole = min(self.longest_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 30))
        return whole * (0.5 + chance / 2)


Body = Callable[[Job, "Control"], Awaitable[object]]


@dataclass(frozen=True)
class JobKind:
    name: str
    body: Body
    """Returns what is stored as the result: JSON, at most 64 KiB. May run more than once."""
    max_attempts: int = 8
    concurrency: int = 4
    """Of this kind at once in one process."""
    per_user: int | None = None
    """Of one user's at once in all processes."""
    lease_seconds: float = 60.0
    """How long a job stays with a worker that is not heard of; extended while the worker lives."""
    cancel_grace_seconds: float = 10.0
    """How long a body may take to stop by itself after cancelling was asked for, and after it was stopped."""
    backoff: Backoff = field(default_factory=Backoff)
