import asyncio

import pytest

from tests.simulation.network import LostReplyError, Network
from tests.simulation.schedules import ScheduleError, first_failure, replay, run_schedules
from tests.simulation.world import Faults, World


class Counter:
    """A server's number: read and written in two requests, or added to in one."""

    def __init__(self) -> None:
        self.value = 0

    def set(self, value: int) -> None:
        self.value = value

    def add(self) -> None:
        self.value += 1


def two_that_read_and_write(world: World) -> None:
    counter, network, done = Counter(), Network(world), []

    for name in ("one", "two"):
        process = world.process(name)

        async def increment(process=process) -> None:
            seen = await network.call(process, lambda: counter.value)
            await network.call(process, lambda: counter.set(seen + 1))
            done.append(process.name)

        process.start(increment)
    world.run(until=lambda: len(done) == 2, seconds=60)
    assert counter.value == 2


def two_that_add_without_trouble(world: World) -> None:
    counter, network, done = Counter(), Network(world), []

    for name in ("one", "two"):
        process = world.process(name)

        async def increment(process=process) -> None:
            await network.call(process, counter.add)
            done.append(process.name)

        process.start(increment)
    world.run(until=lambda: len(done) == 2, seconds=60)
    assert counter.value == 2


class TestSchedules:
    def test_find_two_that_overwrite_each_other(self):
        found = first_failure(two_that_read_and_write, within=100)

        assert found is not None
        assert f"seed {found.seed}" in str(found)

    def test_find_nothing_where_nothing_is(self):
        assert run_schedules(two_that_add_without_trouble, count=200) >= 200

    def test_find_a_crash_between_two_steps(self):
        assert first_failure(
            two_that_add_without_trouble, within=2000, faults=Faults(crashes=2, until_seconds=0.02)
        )

    def test_find_a_request_that_came_twice(self):
        assert first_failure(two_that_add_without_trouble, within=200, faults=Faults(repeated_requests=0.1))

    def test_of_one_seed_are_one_schedule(self):
        faults = Faults(crashes=2, pauses=2, clock_jumps=2, until_seconds=1.0)
        stories = [_told(seed, faults) for seed in range(50)]

        assert stories == [_told(seed, faults) for seed in range(50)]
        assert len(set(stories)) > 10


class TestAProcess:
    def test_that_crashed_takes_no_further_step_and_starts_again(self):
        def scenario(world: World) -> None:
            steps, process = [], world.process("one")

            async def main() -> None:
                incarnation = process.incarnation
                try:
                    await asyncio.sleep(1)
                    steps.append(incarnation)
                finally:
                    await asyncio.sleep(0)
                    steps.append("cleaned up")

            process.start(main)
            world.plan(0.5, process.crash)
            world.plan(0.6, process.restart)
            world.run(until=lambda: "cleaned up" in steps, seconds=5)
            assert steps == [1, "cleaned up"]

        replay(scenario, 1)

    def test_that_is_paused_sees_its_time_limits_late(self):
        def scenario(world: World) -> None:
            woke, process = [], world.process("one")

            async def main() -> None:
                await asyncio.sleep(1)
                woke.append(process.now())

            process.start(main)
            world.plan(0.5, lambda: process.pause(10))
            world.run(until=lambda: bool(woke), seconds=20)
            assert woke == [10.5]

        replay(scenario, 1)

    def test_whose_task_fails_unheard_fails_the_schedule(self):
        def scenario(world: World) -> None:
            async def main() -> None:
                raise ValueError("planted")

            world.process("one").start(main)
            world.run(until=lambda: False, seconds=1)

        with pytest.raises(ScheduleError, match="planted"):
            replay(scenario, 7)

    def test_that_is_told_nothing_knows_nothing(self):
        def scenario(world: World) -> None:
            counter, network, process, heard = Counter(), Network(world), world.process("one"), []

            async def main() -> None:
                try:
                    await network.call(process, counter.add)
                except LostReplyError:
                    heard.append("nothing")

            process.start(main)
            world.run(until=lambda: bool(heard), seconds=5)
            assert counter.value == 1

        replay(scenario, 1, faults=Faults(lost_replies=1.0))


def _told(seed: int, faults: Faults) -> str:
    def scenario(world: World) -> None:
        network, done = Network(world), []

        async def main(process) -> None:
            for _ in range(3):
                await network.call(process, lambda: None)
                world.note(process.name, "was answered")
            done.append(process.name)

        for name in ("one", "two", "three"):
            process = world.process(name)
            process.start(lambda process=process: main(process))
        world.run(until=lambda: len(set(done)) == 3, seconds=60)

    return repr(replay(scenario, seed, faults=faults).story)
