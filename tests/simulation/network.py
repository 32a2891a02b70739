"""What can happen to a request and its reply on their way."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import suppress
from types import coroutine
from typing import TypeVar

from tests.simulation.world import Process, World

T = TypeVar("T")
_LATE_SECONDS = 10.0


class LostReplyError(Exception):
    """Nobody knows whether the request had its effect."""


@coroutine
def one_step() -> Generator[None, None, None]:
    """As `asyncio.sleep(0)`, which takes a second coroutine to do it."""
    yield


class Network:
    def __init__(
        self, world: World, *, latency_seconds: float = 0.004, patience_seconds: float = 0.5
    ) -> None:
        self._world = world
        self._latency_seconds = latency_seconds
        self._patience_seconds = patience_seconds

    async def travel(self) -> None:
        """One way; how long it takes decides who comes first."""
        chance = self._world.random.random()
        await (asyncio.sleep(chance * self._latency_seconds) if chance > 0.4 else one_step())

    async def answer(self) -> None:
        """The way back: most often as fast as nothing, but a step of its own, after which one may be gone."""
        is_fast = self._world.random.random() < 0.8
        await (one_step() if is_fast else asyncio.sleep(self._latency_seconds))

    async def call(self, process: Process, effect: Callable[[], T]) -> T:
        """`effect` happens at the server at one moment; a process that crashes meanwhile hears no reply."""
        world, faults = self._world, self._world.faults
        await self.travel()
        if world.troubled and world.random.random() < faults.lost_requests:
            world.note(process.name, "request is lost")
            await asyncio.sleep(self._patience_seconds)
            raise LostReplyError
        if world.troubled and world.random.random() < faults.late_requests:
            world.note(process.name, "request comes late")
            self.late(effect)
            await asyncio.sleep(self._patience_seconds)
            raise LostReplyError
        answer = effect()
        if world.troubled and world.random.random() < faults.repeated_requests:
            world.note(process.name, "request comes twice")
            answer = effect()
        if world.troubled and world.random.random() < faults.lost_replies:
            world.note(process.name, "reply is lost")
            await asyncio.sleep(self._patience_seconds)
            raise LostReplyError
        await self.answer()
        return answer

    def late(self, effect: Callable[[], object]) -> None:
        """It happens some time or other, and whatever the server answers then, nobody hears."""

        def arrive() -> None:
            with suppress(Exception):
                effect()

        self._world.plan(self._world.now + self._world.random.random() * _LATE_SECONDS, arrive)
