"""Processes that take one lock in turn, and a Redis that is killed, emptied and stopped meanwhile."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.locks import Lock, Locks, Outcome
from tests.simulation.network import Network
from tests.simulation.redis import RedisModel, RedisRules
from tests.simulation.world import Faults, Process, World

FAULTS = Faults(
    crashes=2,
    pauses=3,
    pause_seconds=6.0,
    lost_replies=0.05,
    lost_requests=0.02,
    repeated_requests=0.02,
    late_requests=0.02,
    until_seconds=8.0,
)
PROCESSES = 3
TURNS = 3
TTL_SECONDS = 1.5


@dataclass
class _Believer:
    lock: Lock
    redis_emptied: int


class LockScenario:
    def __init__(self, rules: RedisRules | None = None) -> None:
        self._rules = rules
        self.__name__ = "a lock"
        self.outcomes: dict[Outcome | None, int] = {}

    def __call__(self, world: World) -> None:
        model = RedisModel(world, Network(world), self._rules)
        believers: dict[str, _Believer] = {}
        fences: list[int] = []
        ended: list[str] = []
        for number in range(PROCESSES):
            self._start(world.process(f"process-{number}"), model, believers, fences, ended)
        self._plan_faults_of_redis(world, model)

        world.run(until=lambda: len(set(ended)) == PROCESSES, seconds=120)
        assert model.seconds_left("lock:kind:one") <= TTL_SECONDS + 0.001
        assert len(fences) == len(set(fences)), "two holders have one number"

    def _start(
        self,
        process: Process,
        model: RedisModel,
        believers: dict[str, _Believer],
        fences: list[int],
        ended: list[str],
    ) -> None:
        left = [TURNS]
        process.on_crash(lambda: believers.pop(process.name, None))

        async def main() -> None:
            client: Any = model.client(process)
            locks = Locks(client, "", now=process.now, new_id=lambda: new_id(process))
            while left[0] > 0:
                left[0] -= 1
                async with locks.lock("kind", "one", ttl_seconds=TTL_SECONDS, wait_seconds=2.0) as lock:
                    self.outcomes[lock.outcome] = self.outcomes.get(lock.outcome, 0) + 1
                    if lock.fence is not None:
                        fences.append(lock.fence)
                        believers[process.name] = _Believer(lock, model.emptied_before[lock.fence])
                        await work(process, model, believers)
                believers.pop(process.name, None)
            await locks.close()
            ended.append(process.name)

        process.start(main)

    def _plan_faults_of_redis(self, world: World, model: RedisModel) -> None:
        chance = world.random
        if chance.random() < 0.4:
            world.plan(chance.uniform(0, 4), lambda: model.pause(chance.uniform(0, 3)))
        if chance.random() < 0.3:
            world.plan(chance.uniform(0, 4), lambda: model.kill(chance.uniform(0, 2)))


async def work(process: Process, model: RedisModel, believers: dict[str, _Believer]) -> None:
    for _ in range(process.random.randint(1, 4)):
        check_that_one_believes(model, believers)
        await asyncio.sleep(process.random.random() * 0.6)
    check_that_one_believes(model, believers)


def check_that_one_believes(model: RedisModel, believers: dict[str, _Believer]) -> None:
    """A Redis that forgot everything makes those believe wrongly whom it had granted a lock before.

    Also one who hears of it only afterwards.
    """
    holding = [
        name
        for name, believer in believers.items()
        if believer.lock.held and believer.redis_emptied == model.emptied
    ]
    assert len(holding) <= 1, f"{' and '.join(holding)} believe that they hold the lock"


def new_id(process: Process) -> UUID:
    return UUID(int=process.random.getrandbits(128))
