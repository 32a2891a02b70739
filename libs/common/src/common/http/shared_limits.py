"""Limits that all processes of a service share, in Redis, and what takes over while it is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis

from common.http.rate_limits import Limit, ProcessLimits, Verdict

_log = structlog.get_logger("limits")

PATIENCE_SECONDS = 0.05
"""How long a request waits for Redis; the question itself goes on, and its answer ends the pause."""
PAUSE_SECONDS = 1.0
"""While Redis is away one request a second asks it; all others are decided here at once."""

DECISIONS = Counter(
    "quartet_rate_limit_decisions_total",
    "Requests to limited routes; `by` is redis, or process while Redis is away.",
    ["limit", "outcome", "by"],
)

# The clock is Redis' own: processes whose clocks differ would each give away what is left of the others'.
_TAKE = """
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local idle_at = tonumber(redis.call('GET', KEYS[1])) or now
idle_at = math.min(math.max(idle_at, now), now + window)
local allowed = idle_at + interval - window <= now
if allowed then
  idle_at = idle_at + interval
  redis.call('SET', KEYS[1], string.format('%.0f', idle_at), 'PX', math.ceil((idle_at - now) / 1000))
end
return {allowed and 1 or 0, idle_at, now}
"""


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class RedisLimits:
    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self._take = cast("Callable[..., Awaitable[list[int]]]", redis.register_script(_TAKE))
        self._prefix = f"{prefix}limit:"

    async def take(self, limit: Limit, key: str) -> Verdict:
        allowed, idle_at, now = await self._take(
            keys=[self._prefix + key], args=[limit.interval_us, limit.window_us]
        )
        return Verdict(allowed=allowed == 1, idle_at=int(idle_at), now=int(now))


class RateLimits:
    """`app.state.rate_limits`: Redis decides, and what it said is remembered.

    So whoever is known to be refused is refused without asking, and when Redis goes away each process goes on
    from what it knew. Then every process counts for itself: a limit is at most multiplied by their number.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str,
        moved: Mapping[str, str] | None = None,
        now_us: Callable[[], int],
    ) -> None:
        self._shared = RedisLimits(redis, prefix=prefix)
        self._own = ProcessLimits(now_us)
        self._moved = dict(moved or {})
        self._now = now_us
        self._paused_until: int | None = None
        self._asking: set[asyncio.Task[Verdict]] = set()

    async def take(self, limit: Limit, who: str) -> tuple[Limit, Verdict]:
        """Counts one request, unless it is refused; the limit as the operator moved it comes back too."""
        if limit.name in self._moved:
            limit = limit.moved_to(self._moved[limit.name])
        key = f"{limit.name}:{who}"
        known = self._own.look(limit, key)
        verdict = await self._ask(limit, key) if known.allowed and self._may_ask() else None
        if verdict is None:
            verdict = self._own.take(limit, key)
        by = "redis" if self._paused_until is None else "process"
        DECISIONS.labels(limit.name, "allowed" if verdict.allowed else "refused", by).inc()
        return limit, verdict

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def _may_ask(self) -> bool:
        if self._paused_until is None:
            return True
        if self._now() < self._paused_until:
            return False
        self._pause()
        return True

    async def _ask(self, limit: Limit, key: str) -> Verdict | None:
        """None without an answer in time. A new connection takes longer, so the question is not given up."""
        asked = asyncio.create_task(self._shared.take(limit, key), name="ask redis for a limit")
        self._asking.add(asked)
        asked.add_done_callback(self._answered)
        await asyncio.wait((asked,), timeout=PATIENCE_SECONDS)
        if not asked.done() or asked.cancelled() or asked.exception() is not None:
            self._pause()
            return None
        verdict = asked.result()
        self._own.learn(key, verdict)
        return verdict

    def _pause(self) -> None:
        if self._paused_until is None:
            _log.warning("limits.redis_away")
        self._paused_until = self._now() + int(PAUSE_SECONDS * 1_000_000)

    def _answered(self, asked: asyncio.Task[Any]) -> None:
        self._asking.discard(asked)
        if asked.cancelled() or asked.exception() is not None:
            return
        if self._paused_until is not None:
            _log.info("limits.redis_back")
        self._paused_until = None
