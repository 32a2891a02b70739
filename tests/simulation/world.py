"""A world of processes that one seed moves: real code, a clock of its own, and faults between any two steps.

Every process (`Process`) has an event loop of its own, so the project's `async def` code runs unchanged:
`asyncio.sleep`, `timeout`, `Event`, `TaskGroup` and `loop.time()` follow the world's clock. What lies beyond
a network (PostgreSQL, Redis, Kafka) is a model: an object whose methods begin with `await network.call(...)`.

    def scenario(world: World) -> None:
        store = SomeModel(world)
        one, two = world.process("one"), world.process("two")
        one.start(lambda: worker(store, now=one.now, random=one.random))
        two.start(lambda: worker(store, now=two.now, random=two.random))
        world.run(until=lambda: store.finished, seconds=60)
        assert store.effects == 1

    run_schedules(scenario, count=1_000, faults=Faults(crashes=1, pauses=1, lost_replies=0.05))

- `world.random` decides which process takes its next step, how long each request travels, and every fault.
- `process.now()` is its monotonic clock, `process.wall()` its wall clock (`Faults.clock_jumps` moves it).
- `process.start(make)` starts `make()` as the process' main task, and anew `restart_seconds` after a crash.
  A crash ends all its tasks without running another step of them; models hear of it through `on_crash`.
- `await network.call(process, effect)`: the request may be lost, come late or come twice, the reply may be
  lost (`LostReplyError`).
- After `Faults.until_seconds` nothing bad happens any more, so "in the end everything is done" can be asked.
- `run_schedules` names the seed of a failure; `QUARTET_SIMULATION_SEED=<seed>` replays that one alone.
"""

import asyncio
from bisect import insort
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any

from tests.simulation.loop import SimulatedLoop

Main = Callable[[], Coroutine[Any, Any, Any]]

_MOST_STEPS = 200_000
_STEPS_BEFORE_A_FAULT = 300
"""On average: in the busy beginning of a schedule."""


@dataclass(frozen=True)
class Faults:
    """How much goes wrong; each number is the most in one schedule, or the share of requests."""

    crashes: int = 0
    pauses: int = 0
    pause_seconds: float = 10.0
    """At most; longer than every lease of the scenario, so that holders wake up too late."""
    clock_jumps: int = 0
    clock_jump_seconds: float = 30.0
    lost_replies: float = 0.0
    lost_requests: float = 0.0
    repeated_requests: float = 0.0
    late_requests: float = 0.0
    """They arrive when nobody waits for them any more."""
    restart_seconds: float = 0.5
    until_seconds: float = 20.0


class Process:
    def __init__(self, world: "World", name: str) -> None:
        self._world = world
        self.name = name
        self.random = Random(world.random.getrandbits(64))
        self.loop = SimulatedLoop(self._world, self._died)
        self.alive = True
        self.incarnation = 0
        self.paused_until = 0.0
        self._wall_offset = world.random.uniform(-1.0, 1.0)
        self._main: Main | None = None
        self._on_crash: list[Callable[[], None]] = []

    def now(self) -> float:
        return self._world.now

    def wall(self) -> float:
        return 1_000_000.0 + self._world.now + self._wall_offset

    def start(self, main: Main) -> None:
        self._main = main
        self.spawn(main())

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.loop.create_task(coroutine)
        task.add_done_callback(self._ended)
        return task

    def on_crash(self, told: Callable[[], None]) -> None:
        """For models: what this process held is given up."""
        self._on_crash.append(told)

    def crash(self) -> None:
        self._world.note(self.name, "crashes")
        self.alive = False
        self.incarnation += 1
        for told in self._on_crash:
            told()
        self.loop.kill()
        self.loop = SimulatedLoop(self._world, self._died)

    def restart(self) -> None:
        self._world.note(self.name, "starts again")
        self.alive = True
        if self._main is not None:
            self.spawn(self._main())

    def pause(self, seconds: float) -> None:
        self._world.note(self.name, "pauses for", round(seconds, 3))
        self.paused_until = self._world.now + seconds

    def jump(self, seconds: float) -> None:
        self._world.note(self.name, "clock jumps by", round(seconds, 3))
        self._wall_offset += seconds

    def _ended(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._died(error)

    def _died(self, error: BaseException) -> None:
        self._world.errors.append(error)


class World:
    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.faults = faults or Faults()
        self.now = 0.0
        self.processes: list[Process] = []
        self.errors: list[BaseException] = []
        """Of tasks that nobody waited for: each fails the schedule."""
        self.story: list[tuple[Any, ...]] = []
        self._planned: list[tuple[float, Callable[[], None]]] = []
        self._at_steps: dict[int, Callable[[Process], None]] = {}

    def process(self, name: str) -> Process:
        process = Process(self, name)
        self.processes.append(process)
        return process

    def note(self, *what: Any) -> None:
        self.story.append((round(self.now, 4), *what))

    @property
    def troubled(self) -> bool:
        return self.now < self.faults.until_seconds

    def run(self, *, until: Callable[[], bool], seconds: float) -> None:
        """Until it is so; AssertionError when it is not so after `seconds` of the world's time."""
        self._plan_faults()
        running: SimulatedLoop | None = None
        try:
            for number in range(_MOST_STEPS):
                if self.errors:
                    raise self.errors[0]
                process = self._next()
                if process is None:
                    # nobody can go on before time does; asked only here: what was reached must stay reached
                    if until():
                        return
                    assert self.now <= seconds, f"not done after {seconds} s"
                    self._wait()
                    continue
                if process.loop is not running:
                    running = process.loop
                    asyncio._set_running_loop(running)
                process.loop.run_one()
                if number in self._at_steps and self.troubled:
                    self._at_steps[number](process)
        finally:
            asyncio._set_running_loop(None)
        raise AssertionError(f"not done after {_MOST_STEPS} steps")

    def close(self) -> None:
        """Ends every task, so that nothing of one schedule reaches the next."""
        for process in self.processes:
            process.loop.kill()

    def _next(self) -> Process | None:
        """Who takes a step; None when nobody can take one now."""
        now = self.now
        runnable = [
            process
            for process in self.processes
            if process.loop.ready and process.alive and process.paused_until <= now
        ]
        if not runnable:
            return None
        return runnable[int(self.random.random() * len(runnable))] if len(runnable) > 1 else runnable[0]

    def _wait(self) -> None:
        """Nobody can go on: time passes until somebody can."""
        now = self.now
        soonest = self._planned[0][0] if self._planned else inf
        sleepers: list[tuple[float, Process]] = []
        for process in self.processes:
            if process.alive:
                moment = now if process.loop.ready else process.loop.next_timer()
                if moment is not None:
                    if moment < process.paused_until:  # noqa: PLR1730 - called for every wait
                        moment = process.paused_until
                    if moment < soonest:  # noqa: PLR1730 - the same
                        soonest = moment
                    sleepers.append((moment, process))
        assert soonest < inf, "everybody waits for ever"
        self.now = now = max(now, soonest)
        while self._planned and self._planned[0][0] <= now:
            self._planned.pop(0)[1]()
        for moment, process in sleepers:
            if moment <= now:
                process.loop.wake()

    def plan(self, seconds: float, act: Callable[[], None]) -> None:
        """It happens at that moment, whoever is alive then."""
        insort(self._planned, (seconds, act), key=lambda planned: planned[0])

    def _plan_faults(self) -> None:
        faults, chance = self.faults, self.random
        acts: list[Callable[[Process], None]] = []
        acts += [self._crash] * chance.randint(0, faults.crashes)
        acts += [self._pause] * chance.randint(0, faults.pauses)
        acts += [self._jump] * chance.randint(0, faults.clock_jumps)
        for act in acts:
            # a moment in time finds who waits; the end of a step finds who is in the middle of something
            if chance.random() < 0.25:
                self.plan(chance.uniform(0, faults.until_seconds), lambda act=act: act(self._anybody()))
            else:
                self._at_steps[int(chance.expovariate(1 / _STEPS_BEFORE_A_FAULT))] = act

    def _anybody(self) -> Process:
        return self.processes[self.random.randrange(len(self.processes))]

    def _pause(self, process: Process) -> None:
        process.pause(self.random.uniform(0, self.faults.pause_seconds))

    def _jump(self, process: Process) -> None:
        most = self.faults.clock_jump_seconds
        process.jump(self.random.uniform(-most, most))

    def _crash(self, process: Process) -> None:
        if process.alive:
            process.crash()
            self.plan(self.now + self.faults.restart_seconds, process.restart)
