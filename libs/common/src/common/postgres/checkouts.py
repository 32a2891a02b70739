"""Who has a connection, since when and from where: what is out for long is told of while it is out."""

import asyncio
import inspect
import time
from contextvars import Context, copy_context
from dataclasses import dataclass
from types import CodeType
from typing import Final, Generic, TypeVar

import structlog

T = TypeVar("T")

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger(__name__)

_NOT_THE_CALLER: Final = ("common.postgres.", "common.http.transactions", "contextlib")


@dataclass(slots=True, eq=False)
class Checkout:
    since: float
    frame: tuple[str, CodeType, int] | None
    context: Context
    """Of who took it: the warning carries their request's id."""
    is_told: bool = False

    @property
    def where(self) -> str:
        if self.frame is None:
            return "?"
        module, code, line = self.frame
        return f"{module}:{line} {code.co_qualname}"


class Checkouts(Generic[T]):
    """One timer for all of them, and none while nothing is out: a checkout costs about a microsecond."""

    def __init__(self, long_seconds: float) -> None:
        self._long_seconds = long_seconds
        self._out: dict[T, Checkout] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._ended_seconds = 0.0
        self.long = 0

    @property
    def busy_seconds(self) -> float:
        """All that connections were out, added up; its growth over capacity and time is the utilisation."""
        now = time.monotonic()
        return self._ended_seconds + sum(now - one.since for one in self._out.values())

    @property
    def places(self) -> list[str]:
        """Where what is out now was taken."""
        return [one.where for one in self._out.values()]

    def begin(self, taken: T) -> None:
        self._out[taken] = Checkout(time.monotonic(), _caller(), copy_context())
        if self._timer is None:
            self._look_again_in(self._long_seconds)

    def end(self, taken: T) -> None:
        checkout = self._out.pop(taken, None)
        if checkout is not None:
            self._ended_seconds += time.monotonic() - checkout.since

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        next_in: float | None = None
        for one in self._out.values():
            if one.is_told:
                continue
            left = one.since + self._long_seconds - now
            if left > 0:
                next_in = left if next_in is None else min(next_in, left)
                continue
            one.is_told = True
            self.long += 1
            one.context.run(
                _log.warning,
                "database.long_checkout",
                where=one.where,
                seconds=round(now - one.since, 1),
            )
        if next_in is not None:
            self._look_again_in(next_in)


def _caller() -> tuple[str, CodeType, int] | None:
    """The first frame that is neither ours nor of what stands between: module, code and line."""
    frame = inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if not module.startswith(_NOT_THE_CALLER):
            return module, frame.f_code, frame.f_lineno
        frame = frame.f_back
    return None
