"""Who has a connection, since when and from where: what is out for long is told of while it is out."""

import asyncio
import contextlib
import inspect
import time
from contextvars import Context, copy_context
from pathlib import Path
from types import CodeType
from typing import Final, Generic, TypeVar

import structlog

T = TypeVar("T")

_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger(__name__)

_FOLDER: Final = Path(__file__).parent
_NOT_THE_CALLER: Final = frozenset(
    {
        *(str(path) for path in _FOLDER.glob("*.py")),
        str(_FOLDER.parent / "http" / "transactions.py"),
        contextlib.__file__,
    }
)


Checkout = tuple[float, CodeType | None, int, Context]
"""Since when, the code that took it and where in it, and its context: the warning carries its request's id.

A bare tuple: an object with names takes as long as the rest of a checkout.
"""


class Checkouts(Generic[T]):
    """One timer for all of them, and none while nothing is out; a checkout pays for one look at the stack."""

    def __init__(self, long_seconds: float) -> None:
        self._long_seconds = long_seconds
        self._out: dict[T, Checkout] = {}
        self._told: set[T] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._ended_seconds = 0.0
        self.long = 0

    @property
    def busy_seconds(self) -> float:
        """All that connections were out, added up; its growth over capacity and time is the utilisation."""
        now = time.monotonic()
        return self._ended_seconds + sum(now - since for since, *_ in self._out.values())

    @property
    def places(self) -> list[str]:
        """Where what is out now was taken."""
        return [_where(code, instruction) for _, code, instruction, _ in self._out.values()]

    def begin(self, taken: T) -> None:
        code, instruction = _caller()
        self._out[taken] = (time.monotonic(), code, instruction, copy_context())
        if self._timer is None:
            self._look_again_in(self._long_seconds)

    def end(self, taken: T) -> None:
        checkout = self._out.pop(taken, None)
        if checkout is not None:
            self._ended_seconds += time.monotonic() - checkout[0]
            self._told.discard(taken)

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
        for taken, (since, code, instruction, context) in self._out.items():
            if taken in self._told:
                continue
            left = since + self._long_seconds - now
            if left > 0:
                next_in = left if next_in is None else min(next_in, left)
                continue
            self._told.add(taken)
            self.long += 1
            context.run(
                _log.warning,
                "database.long_checkout",
                where=_where(code, instruction),
                seconds=round(now - since, 1),
            )
        if next_in is not None:
            self._look_again_in(next_in)


def _caller() -> tuple[CodeType | None, int]:
    """The first frame that is neither ours nor of what stands between."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename not in _NOT_THE_CALLER:
            return frame.f_code, frame.f_lasti
        frame = frame.f_back
    return None, 0


def _where(code: CodeType | None, instruction: int) -> str:
    """Looked up when it is told: finding a line's number takes long."""
    if code is None:
        return "?"
    lines = list(code.co_positions())
    return f"{code.co_filename}:{lines[instruction // 2][0]} {code.co_qualname}"
