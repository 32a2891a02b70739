"""Leaving without losing anybody: unready at once, serve on, then step after step, within the grace."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from common.health.checks import Check, Unwell, immediate
from common.settings import DrainSettings

_log = structlog.get_logger("drain")

_LEAST_SECONDS = 0.5
"""What a step gets even when those before it used up the grace: closing is better than being killed."""
_OF_STEPS = 0.9
"""Their part of the grace; the pools close in the rest."""


@dataclass(frozen=True)
class Step:
    name: str
    action: Callable[[float], Awaitable[object]]
    """Called with the seconds that are left of the grace."""


class Drain:
    def __init__(
        self, settings: DrainSettings, *, give_up_after: Callable[[float], object] = lambda _: None
    ) -> None:
        """`give_up_after` is called with the grace when the drain begins."""
        self._settings = settings
        self._give_up_after = give_up_after
        self._begun = asyncio.Event()
        self._hurry = asyncio.Event()
        self._began_at = 0.0

    @property
    def draining(self) -> bool:
        return self._begun.is_set()

    def begin(self, why: str) -> None:
        if self._begun.is_set():
            return
        self._began_at = asyncio.get_running_loop().time()
        self._begun.set()
        self._give_up_after(self._settings.grace_seconds)
        _log.info("drain.begun", why=why, delay_seconds=self._settings.delay_seconds)

    def take_signals(self) -> None:
        """SIGTERM and SIGINT begin the drain; a second Ctrl+C skips the delay, more SIGTERMs do nothing."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.begin, "SIGTERM")
        loop.add_signal_handler(signal.SIGINT, self._interrupted)

    def check(self) -> Check:
        """The first thing that changes: load balancers look at readiness and need time to see it."""

        def probe() -> str:
            if self.draining:
                raise Unwell("leaving")
            return "staying"

        return immediate("draining", probe)

    async def begun(self) -> None:
        await self._begun.wait()

    async def run(self, steps: Sequence[Step], *, when_begun: Callable[[], object] = lambda: None) -> None:
        """Waits for the beginning, serves on for the delay, then takes the steps; never raises."""
        await self._begun.wait()
        when_begun()
        try:
            await asyncio.wait_for(self._hurry.wait(), timeout=self._settings.delay_seconds)
        except TimeoutError:
            _log.info("drain.delay_over")
        for step in steps:
            await self._take(step)
        _log.info("drain.done", seconds=round(asyncio.get_running_loop().time() - self._began_at, 2))

    async def _take(self, step: Step) -> None:
        loop = asyncio.get_running_loop()
        until = self._began_at + self._settings.grace_seconds * _OF_STEPS
        left = max(_LEAST_SECONDS, until - loop.time())
        try:
            async with asyncio.timeout(left):
                await step.action(left)
        except TimeoutError:
            _log.error("drain.step_too_slow", step=step.name, seconds=round(left, 2))
        except Exception as error:  # noqa: BLE001 - the steps after it have to be taken all the same
            _log.error("drain.step_failed", step=step.name, exc_info=error)
        else:
            _log.info("drain.step", step=step.name)

    def _interrupted(self) -> None:
        if self._begun.is_set():
            self._hurry.set()
        self.begin("SIGINT")
