"""A process that cannot end is ended, by itself, before somebody does it who does not say why."""

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine, Iterable
from typing import Any

import structlog
import uvloop

_log = structlog.get_logger("drain")

EXIT_CODE = 70
_LEFT_OVER_SECONDS = 2.0
_MOST_NAMES = 20


def run(main: Coroutine[Any, Any, int]) -> int:
    """What is left when `main` has closed everything gets two seconds: the loop itself waits without end."""

    async def bounded() -> int:
        try:
            return await main
        finally:
            exit_after(_LEFT_OVER_SECONDS)

    return uvloop.run(bounded())


def exit_after(seconds: float) -> None:
    """In a thread of its own: neither a loop that is blocked nor a task that swallows its end holds it up."""
    timer = threading.Timer(seconds, _exit, (asyncio.get_running_loop(), seconds))
    timer.daemon = True
    timer.start()


def _exit(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    _log.critical("drain.gave_up", seconds=seconds, tasks=_names(asyncio.all_tasks(loop)))
    sys.stdout.flush()
    os._exit(EXIT_CODE)


def _names(tasks: Iterable[asyncio.Task[object]]) -> list[str]:
    """Those that somebody named first: they say most."""
    named = ((task.get_name(), getattr(task.get_coro(), "__qualname__", "?")) for task in tasks)
    ordered = sorted(named, key=lambda one: (one[0].startswith("Task-"), one))
    return [f"{name}: {what}" for name, what in ordered[:_MOST_NAMES]]
