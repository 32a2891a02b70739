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
- `await network.call(process, effect)`: the request may be lost or come twice, the reply may be lost
  (`LostReplyError`).
- After `Faults.until_seconds` nothing bad happens any more, so "in the end everything is done" can be asked.
- `run_schedules` names the seed of a failure; `QUARTET_SIMULATION_SEED=<seed>` replays that one alone.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.simulation.loop import SimulatedLoop

Main = Callable[[], Coroutine[Any, Any, Any]]

_MOST_STEPS = 200_000


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
    restart_seconds: float = 0.5
    until_seconds: float = 20.0


class Process:
    def __init__(self, world: "World", name: str) -> None:
        self._world = world
        self.name = name
        self.random = Random(world.random.getrandbits(64))
        self.loop = SimulatedLoop(self.now, self._died)
        self.alive = True
        self.incarnation = 0
        self.paused_until = 0.0
        self._wall_offset = world.random.uniform(-1.0, 1.0)
        self._main: Main | None = None
        self._on_crash: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[Any]] = []

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
        self._tasks.append(task)
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
        self.loop.clear()
        for task in asyncio.all_tasks(self.loop):
            _end(task)
        self.loop.clear()
        self._tasks.clear()

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
        for _ in range(_MOST_STEPS):
            if self.errors:
                raise self.errors[0]
            if self._step():
                continue
            # nobody can go on before time does: asked only here, so what was reached must stay reached
            if until():
                return
            assert self.now <= seconds, f"not done after {seconds} s"
            self._wait()
        raise AssertionError(f"not done after {_MOST_STEPS} steps")

    def close(self) -> None:
        """Ends every task, so that nothing of one schedule reaches the next."""
        for process in self.processes:
            process.loop.clear()
            for task in asyncio.all_tasks(process.loop):
                _end(task)
            process.loop.clear()

    def _step(self) -> bool:
        """False when nobody can take one now."""
        runnable = [
            process
            for process in self.processes
            if process.loop.ready and process.alive and process.paused_until <= self.now
        ]
        if not runnable:
            return False
        choice = self.random.randrange(len(runnable)) if len(runnable) > 1 else 0
        runnable[choice].loop.run_one()
        return True

    def _wait(self) -> None:
        """Nobody can go on: time passes until somebody can."""
        moments = [moment for moment, _ in self._planned[:1]]
        for process in self.processes:
            if not process.alive:
                continue
            timer = 0.0 if process.loop.ready else process.loop.next_timer()
            if timer is not None:
                moments.append(max(timer, process.paused_until))
        assert moments, "everybody waits for ever"
        self.now = max(self.now, min(moments))
        while self._planned and self._planned[0][0] <= self.now:
            self._planned.pop(0)[1]()
        for process in self.processes:
            if process.alive and process.paused_until <= self.now:
                process.loop.wake()

    def plan(self, seconds: float, act: Callable[[], None]) -> None:
        """It happens at that moment, whoever is alive then."""
        self._planned.append((seconds, act))
        self._planned.sort(key=lambda planned: planned[0])

    def _plan_faults(self) -> None:
        faults, chance = self.faults, self.random
        for _ in range(chance.randint(0, faults.crashes)):
            self._plan_fault(lambda: self._crash(self._anybody()))
        for _ in range(chance.randint(0, faults.pauses)):
            self._plan_fault(lambda: self._anybody().pause(chance.uniform(0, faults.pause_seconds)))
        for _ in range(chance.randint(0, faults.clock_jumps)):
            most = faults.clock_jump_seconds
            self._plan_fault(lambda most=most: self._anybody().jump(chance.uniform(-most, most)))

    def _plan_fault(self, act: Callable[[], None]) -> None:
        # most of what matters happens early: half of the faults fall into the first tenth of the time
        span = self.faults.until_seconds * (0.1 if self.random.random() < 0.5 else 1.0)
        self.plan(self.random.uniform(0, span), act)

    def _anybody(self) -> Process:
        return self.processes[self.random.randrange(len(self.processes))]

    def _crash(self, process: Process) -> None:
        if process.alive:
            process.crash()
            self.plan(self.now + self.faults.restart_seconds, process.restart)


def _end(task: asyncio.Task[Any]) -> None:
    """As a kill does: nothing that it would do on its way out has an effect."""
    coroutine = task.get_coro()
    for _ in range(20):
        try:
            coroutine.close()
        except RuntimeError:  # it waits for something even now
            continue
        except BaseException:  # noqa: BLE001 - whatever it raises, it is gone
            pass
        break
    task._log_destroy_pending = False
