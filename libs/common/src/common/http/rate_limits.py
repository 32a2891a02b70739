"""Rate limits by the generic cell rate algorithm: one number a key, the moment when the key is idle again.

Every request moves that moment on by one interval; one that would move it further ahead than the window is
refused and moves nothing. So a window's worth may come at once, and an evenly spread stream never waits.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

_MOST_KEYS = 50_000
"""Some ten megabytes; beyond it the key that was quiet for longest is forgotten."""


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    """In keys, metrics and `RateLimit` headers; an operator moves the limit by it."""
    requests: int
    seconds: float

    @property
    def interval_us(self) -> int:
        return max(1, round(self.seconds * 1_000_000 / self.requests))

    @property
    def window_us(self) -> int:
        return self.interval_us * self.requests

    def moved_to(self, rate: str) -> Self:
        """`20/60`: twenty requests a minute."""
        requests, _, seconds = rate.partition("/")
        return type(self)(self.name, int(requests), float(seconds))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided and, in microseconds, at which moment and for how long."""

    allowed: bool
    idle_at: int
    now: int

    def remaining(self, limit: Limit) -> int:
        return (limit.window_us - (self.idle_at - self.now)) // limit.interval_us

    def reset_seconds(self) -> int:
        """Until the key has all of its requests again."""
        return math.ceil((self.idle_at - self.now) / 1_000_000)

    def retry_after_seconds(self, limit: Limit) -> int:
        waits = self.idle_at + limit.interval_us - limit.window_us - self.now
        return max(1, math.ceil(waits / 1_000_000))


def decide(limit: Limit, idle_at: int, now: int) -> Verdict:
    """What the script in Redis decides, word for word: both are tried with the same sequences."""
    # Never further ahead than a window: a clock that was set back would refuse for as long.
    idle_at = min(max(idle_at, now), now + limit.window_us)
    if idle_at + limit.interval_us - limit.window_us <= now:
        return Verdict(allowed=True, idle_at=idle_at + limit.interval_us, now=now)
    return Verdict(allowed=False, idle_at=idle_at, now=now)


class ProcessLimits:
    """The limits of this process alone."""

    def __init__(self, now_us: Callable[[], int], *, most_keys: int = _MOST_KEYS) -> None:
        self._now = now_us
        self._most = most_keys
        self._idle_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._idle_at)

    def look(self, limit: Limit, key: str) -> Verdict:
        """What a request would be told, without counting it."""
        now = self._now()
        return decide(limit, self._idle_at.get(key, now), now)

    def take(self, limit: Limit, key: str) -> Verdict:
        verdict = self.look(limit, key)
        self._keep(key, verdict.idle_at)
        return verdict

    def learn(self, key: str, told: Verdict) -> None:
        """Remembers what somebody with another clock decided."""
        self._keep(key, self._now() + told.idle_at - told.now)

    def _keep(self, key: str, idle_at: int) -> None:
        self._idle_at[key] = idle_at
        self._idle_at.move_to_end(key)
        while len(self._idle_at) > self._most:
            self._idle_at.popitem(last=False)
