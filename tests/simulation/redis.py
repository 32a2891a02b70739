"""A model of Redis as locks see it: one script, one list to block on, and all that can happen to it."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from tests.simulation.network import LostReplyError, Network
from tests.simulation.world import Process, World


@dataclass
class RedisRules:
    """What the lock rests on; a planted fault takes one of them away."""

    owner_check_in_release: bool = True


@dataclass
class _Lock:
    owner: str
    fence: int
    until: float


class RedisModel:
    def __init__(self, world: World, network: Network, rules: RedisRules | None = None) -> None:
        self.world = world
        self.network = network
        self._rules = rules or RedisRules()
        self._locks: dict[str, _Lock] = {}
        self._fence = 0
        self._released: dict[str, float] = {}
        self._listening: dict[str, deque[Any]] = {}
        self.emptied = 0
        self.emptied_before: dict[int, int] = {}
        """By fence: how often it had been emptied when it gave that one."""
        self.paused_until = 0.0
        self.killed_until = 0.0

    def client(self, process: Process) -> "ModelRedis":
        return ModelRedis(self, process)

    def kill(self, seconds: float) -> None:
        self.world.note("redis", "is killed, and empty afterwards")
        self.killed_until = self.world.now + seconds
        self.emptied += 1
        self._locks.clear()
        self._released.clear()
        self._fence = 0
        for waiters in self._listening.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(RedisConnectionError("killed"))
        self._listening.clear()

    def pause(self, seconds: float) -> None:
        self.world.note("redis", "pauses for", round(seconds, 3))
        self.paused_until = self.world.now + seconds

    def seconds_left(self, name: str) -> float:
        found = self._lock(name)
        return 0.0 if found is None else found.until - self.world.now

    def script(self, lock: str, released: str, question: str, owner: str, milliseconds: int) -> list[int]:
        holder = self._lock(lock)
        theirs = holder is not None and holder.owner != owner
        if theirs and (question != "release" or self._rules.owner_check_in_release):
            return [0, int((holder.until - self.world.now) * 1000)]
        if question == "release":
            if holder is not None:
                del self._locks[lock]
                self._push(released)
            return [1, 0]
        if holder is None:
            if question == "extend":
                return [0, 0]
            self._fence = self._fence + 1 if self._fence else 1 + int(self.world.now * 1_000_000)
            self.emptied_before[self._fence] = self.emptied
            holder = self._locks[lock] = _Lock(owner, self._fence, 0.0)
            self._released.pop(released, None)
        holder.until = self.world.now + milliseconds / 1000
        return [1, holder.fence]

    def pop(self, released: str) -> bool:
        return self._released.pop(released, -1.0) > self.world.now

    def listen(self, released: str, waiter: Any) -> None:
        self._listening.setdefault(released, deque()).append(waiter)

    def _push(self, released: str) -> None:
        waiters = self._listening.get(released, deque())
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():  # of a process that crashed it is done with, and the element lost
                waiter.set_result(True)
                return
        self._released[released] = self.world.now + 1.0

    def _lock(self, name: str) -> _Lock | None:
        found = self._locks.get(name)
        if found is not None and found.until <= self.world.now:
            del self._locks[name]
            return None
        return found


class ModelRedis:
    """What `redis.asyncio.Redis` is to the code."""

    def __init__(self, model: RedisModel, process: Process) -> None:
        self._model = model
        self._process = process

    async def evalsha(self, sha: str, count: int, *parts: str) -> list[int]:
        lock, _, released, question, owner, milliseconds = parts
        return await self._ask(lambda: self._model.script(lock, released, question, owner, int(milliseconds)))

    async def blpop(self, keys: list[str], timeout: float) -> bool:
        (released,) = keys
        if await self._ask(lambda: self._model.pop(released)):
            return True
        waiter = self._process.loop.create_future()
        self._model.listen(released, waiter)
        try:
            async with asyncio.timeout(timeout):
                return await waiter
        except TimeoutError:
            return False

    async def _ask(self, effect: Any) -> Any:
        model = self._model
        if model.killed_until > model.world.now:
            raise RedisConnectionError("refused")
        if model.paused_until > model.world.now:
            return await self._ask_when_it_goes_on(effect)
        try:
            return await model.network.call(self._process, effect)
        except LostReplyError:
            raise RedisConnectionError("no reply") from None

    async def _ask_when_it_goes_on(self, effect: Any) -> Any:
        """The question waits at the server, also for one who has gone."""
        answered, incarnation = self._process.loop.create_future(), self._process.incarnation

        def arrive() -> None:
            answer = effect()
            if self._process.incarnation == incarnation and not answered.done():
                answered.set_result(answer)

        self._model.world.plan(self._model.paused_until, arrive)
        return await answered
