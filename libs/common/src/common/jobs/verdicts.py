"""What becomes of a job when its body is over: decided from what happened, without clock or database."""

import enum
from dataclasses import dataclass

from common.errors import Kind, QuartetError
from common.jobs.control import JobCancelled, LeaseLost
from common.jobs.endings import Ending
from common.jobs.kinds import Job, JobKind
from common.jobs.storable import storable

ERROR_LENGTH = 500
_PASSING = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.INTERNAL})


class Stop(enum.Enum):
    """Why a body is stopped from outside."""

    LOST = "lost"
    CANCELLED = "cancelled"
    STOPPING = "stopping"


@dataclass(frozen=True)
class Returned:
    result: object


@dataclass(frozen=True)
class Raised:
    error: BaseException


class WasCancelled:
    """The body's task was, by us or from inside."""


BodyEnd = Returned | Raised | WasCancelled


def verdict(body: BodyEnd, stop: Stop | None, *, job: Job, kind: JobKind, chance: float) -> Ending | None:
    """None when the job is not ours any more. A result that was ready before the stop is kept."""
    if stop is Stop.LOST or (isinstance(body, Raised) and isinstance(body.error, LeaseLost)):
        return None
    match body:
        case Returned(result):
            ending = _with_result(result)
        case Raised(JobCancelled()):
            ending = Ending("cancelled")
        case Raised(error) if stop is None or not passes_by_itself(error):
            ending = _after_error(job, kind, error, chance)
        # being stopped may come out of a body as another error: of the connection that it cost, for one
        case Raised() | WasCancelled() if stop is Stop.STOPPING:
            ending = Ending("handed_back")
        case Raised() | WasCancelled() if stop is Stop.CANCELLED:
            ending = Ending("cancelled")
        case _:
            sentence = "internal: the body was cancelled from inside"
            ending = _another_try(job, kind, sentence, chance=chance)
    return ending


def passes_by_itself(error: BaseException) -> bool:
    """Whether another attempt may go better; an error that is not ours may be anything, so it may."""
    return not isinstance(error, QuartetError) or error.kind in _PASSING


def sentence_about(error: BaseException) -> str:
    """What the row may say: other people's messages may hold values, so of those only the class."""
    if isinstance(error, QuartetError):
        # an answer of somebody else's may be quoted, and was perhaps cut in the middle of a character
        readable = f"{error.code}: {error.detail}".encode(errors="replace").decode()
        return readable.replace("\x00", "")[:ERROR_LENGTH]
    return f"internal: {type(error).__name__}"


def _with_result(result: object) -> Ending:
    try:
        return Ending("succeeded", result=None if result is None else storable(result, what="result"))
    except QuartetError as error:
        # Another run would end with the same result.
        return Ending("failed", error=sentence_about(error))


def _after_error(job: Job, kind: JobKind, error: BaseException, chance: float) -> Ending:
    if not passes_by_itself(error):
        return Ending("failed", error=sentence_about(error))
    told = error.retry_after_seconds if isinstance(error, QuartetError) else None
    return _another_try(job, kind, sentence_about(error), chance=chance, at_least_seconds=told or 0)


def _another_try(
    job: Job, kind: JobKind, error: str, *, chance: float, at_least_seconds: float = 0
) -> Ending:
    """A job that has used up its attempts has failed."""
    if job.attempt >= job.max_attempts:
        return Ending("failed", error=error)
    wait_seconds = kind.backoff.delay_seconds(job.attempt, chance=chance)
    return Ending("retried", error=error, wait_seconds=max(wait_seconds, at_least_seconds))
