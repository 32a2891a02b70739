"""Runs a scenario under many seeds; a failure names its seed."""

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.simulation.world import Faults, World

Scenario = Callable[[World], None]

LONG = os.environ.get("QUARTET_TEST_LONG") == "1"
"""Ten times as many schedules."""

_SEED = int(os.environ.get("QUARTET_TEST_SEED", "0"))
_ONLY = os.environ.get("QUARTET_SIMULATION_SEED")

ran: Counter[str] = Counter()
"""How many schedules of each scenario this process has run."""


class ScheduleError(AssertionError):
    def __init__(self, world: World, name: str, error: BaseException) -> None:
        story = "\n".join("  " + " ".join(map(str, line)) for line in world.story[-80:])
        super().__init__(
            f"{name}: seed {world.seed} failed after {world.now:.3f} s: {type(error).__name__}: {error}\n"
            f"{story}\n"
            f"QUARTET_SIMULATION_SEED={world.seed} replays it"
        )
        self.seed = world.seed


def run_schedules(scenario: Scenario, *, count: int, faults: Faults | None = None) -> int:
    """How many ran; `count` is that of the short form."""
    name = scenario.__name__
    if _ONLY is not None:
        replay(scenario, int(_ONLY), faults=faults)
        return 1
    seeds = range(_SEED, _SEED + (count * 10 if LONG else count))
    with _collected_at_the_end():
        for seed in seeds:
            replay(scenario, seed, faults=faults)
    ran[name] += len(seeds)
    print(f"{len(seeds)} schedules of {name}, seeds {seeds.start} to {seeds.stop - 1}")  # noqa: T201 - how many ran is what was asked for
    return len(seeds)


def replay(scenario: Scenario, seed: int, *, faults: Faults | None = None) -> World:
    """One schedule; the same seed is the same schedule."""
    world = World(seed, faults)
    try:
        scenario(world)
    except Exception as error:
        raise ScheduleError(world, scenario.__name__, error) from error
    finally:
        world.close()
    return world


def first_failure(scenario: Scenario, *, within: int, faults: Faults | None = None) -> ScheduleError | None:
    """For planted faults: the first seed that finds it, or None when none does."""
    with _collected_at_the_end():
        for seed in range(within):
            try:
                replay(scenario, seed, faults=faults)
            except ScheduleError as found:
                return found
    return None


@contextmanager
def _collected_at_the_end() -> Iterator[None]:
    """Loops, tasks and processes refer to each other: collecting them costs less seldom than often."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
