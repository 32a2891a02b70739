"""Waiting between attempts."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

Chance = Callable[[], float]
"""Between 0 and 1."""


@dataclass(frozen=True)
class Backoff:
    first_seconds: float = 0.1
    most_seconds: float = 5.0

    def delay(self, attempt: int, chance: Chance = random.random) -> float:
        """Doubles with each attempt from 1 on; between half and all of it, so that crowds spread."""
        full = min(self.most_seconds, self.first_seconds * 2 ** min(attempt - 1, 20))
        return full * (0.5 + chance() / 2)


async def elapses(seconds: float, unless: asyncio.Event) -> bool:
    """True after `seconds`, False as soon as `unless` is set."""
    try:
        async with asyncio.timeout(seconds):
            await unless.wait()
    except TimeoutError:
        return True
    return False
