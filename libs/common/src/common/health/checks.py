"""Checks that can be asked as often as somebody likes: bounded, cached, one at a time, and not jumpy."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import structlog
from prometheus_client import Counter, Gauge

from common.errors import QuartetError

_log = structlog.get_logger("health")
_HEALTHY = Gauge("quartet_check_healthy", "1 while the check passes.", ["check"])
_FAILURES = Counter(
    "quartet_check_failures_total",
    "Times that a check was asked and did not pass; one among successes does not make it unhealthy.",
    ["check"],
)

Figure = int | float | str | None


@dataclass(frozen=True)
class Finding:
    """A word about what was seen, and the figures behind it. Both are shown to everybody."""

    words: str
    data: Mapping[str, Figure] = field(default_factory=dict[str, Figure])


Probe = Callable[[], Awaitable[str | Finding]]
"""Raises when it is not well."""


class Severity(StrEnum):
    CRITICAL = "critical"
    """Not ready without it."""
    DEGRADING = "degrading"
    """Shown and counted; the process serves on."""


class Unwell(Exception):  # noqa: N818 - a finding, not a fault of the code
    """A check's own words and figures; of any other exception only the class is shown."""

    def __init__(self, words: str, **data: Figure) -> None:
        super().__init__(words)
        self.finding = Finding(words, data)


@dataclass(frozen=True)
class Result:
    name: str
    severity: Severity
    healthy: bool
    detail: str
    seconds: float
    data: Mapping[str, Figure] = field(default_factory=dict[str, Figure])


class Check:
    def __init__(
        self,
        name: str,
        probe: Probe,
        *,
        severity: Severity = Severity.CRITICAL,
        timeout_seconds: float = 0.5,
        fresh_seconds: float = 1.0,
        failures_to_fail: int = 2,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """One failure among successes is weather: it takes `failures_to_fail` in a row.

        A check that never passed fails at once, and one success is enough to pass again.
        """
        self.name = name
        self.severity = severity
        self._probe = probe
        self._timeout = timeout_seconds
        self._fresh = fresh_seconds
        self._failures_to_fail = failures_to_fail
        self._now = now
        self._failures = 0
        self._passed_once = False
        self._last: Result | None = None
        self._asked_at = 0.0
        self._running: asyncio.Task[Result] | None = None

    async def result(self) -> Result:
        if self._last is not None and self._now() - self._asked_at < self._fresh:
            return self._last
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name=f"check {self.name}")
        # Shielded: a prober that hangs up does not take the answer from the next.
        return await asyncio.shield(self._running)

    async def _run(self) -> Result:
        began = self._now()
        passed, found = await self._ask()
        self._failures = 0 if passed else self._failures + 1
        self._passed_once = self._passed_once or passed
        healthy = passed or (self._passed_once and self._failures < self._failures_to_fail)
        if self._last is None or self._last.healthy != healthy:
            _log.info("check.changed", check=self.name, healthy=healthy, detail=found.words)
        _HEALTHY.labels(self.name).set(healthy)
        if not passed:
            _FAILURES.labels(self.name).inc()
        self._asked_at = self._now()
        seconds = self._asked_at - began
        self._last = Result(self.name, self.severity, healthy, found.words, seconds, found.data)
        return self._last

    async def _ask(self) -> tuple[bool, Finding]:
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._probe()
        except TimeoutError:
            return False, Finding(f"no answer within {self._timeout:g} s")
        except Unwell as error:
            return False, error.finding
        except QuartetError as error:
            return False, Finding(error.code)
        except Exception as error:  # noqa: BLE001 - its text may name hosts and users
            return False, Finding(type(error).__name__)
        return True, found if isinstance(found, Finding) else Finding(found)


@dataclass(frozen=True)
class Report:
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        return all(result.healthy for result in self.results if result.severity is Severity.CRITICAL)

    @property
    def degraded(self) -> tuple[str, ...]:
        return tuple(result.name for result in self.results if not result.healthy)


class Checks:
    def __init__(self, checks: Iterable[Check] = ()) -> None:
        self._checks = {check.name: check for check in checks}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._checks)

    def add(self, check: Check) -> None:
        self._checks[check.name] = check

    async def report(self, *, exclude: Sequence[str] = ()) -> Report:
        chosen = [check for name, check in self._checks.items() if name not in exclude]
        return Report(tuple(await asyncio.gather(*(check.result() for check in chosen))))

    async def one(self, name: str) -> Result | None:
        check = self._checks.get(name)
        return None if check is None else await check.result()


def immediate(
    name: str, probe: Callable[[], str | Finding], *, severity: Severity = Severity.CRITICAL
) -> Check:
    """For what the process knows by itself: asked every time and believed at once."""

    async def ask() -> str | Finding:
        return probe()

    return Check(name, ask, severity=severity, fresh_seconds=0.0, failures_to_fail=1)
