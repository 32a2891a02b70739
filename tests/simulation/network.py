"""What can happen to a request and its reply on their way."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tests.simulation.world import Process, World

T = TypeVar("T")


class LostReplyError(Exception):
    """Nobody knows whether the request had its effect."""


class Network:
    def __init__(
        self, world: World, *, latency_seconds: float = 0.004, patience_seconds: float = 0.5
    ) -> None:
        self._world = world
        self._latency_seconds = latency_seconds
        self._patience_seconds = patience_seconds

    async def travel(self) -> None:
        """One way; how long it takes decides who comes first."""
        await asyncio.sleep(self._world.random.random() * self._latency_seconds)

    async def call(self, process: Process, effect: Callable[[], T]) -> T:
        """`effect` happens at the server at one moment; a process that crashes meanwhile hears no reply."""
        world, faults = self._world, self._world.faults
        await self.travel()
        if world.troubled and world.random.random() < faults.lost_requests:
            world.note(process.name, "request is lost")
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
        await self.travel()
        return answer
