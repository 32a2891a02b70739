import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from common.health.checks import Checks
from common.health.drain import Drain, Step
from common.settings import DrainSettings
from tests.support.waiting import eventually, throughout


def drain_of(delay: float, grace: float = 20) -> Drain:
    return Drain(DrainSettings(delay_seconds=delay, grace_seconds=grace))


class Steps:
    def __init__(self) -> None:
        self.taken: list[str] = []
        self.left: list[float] = []

    def named(self, name: str, action: Callable[[], Awaitable[object]] | None = None) -> Step:
        async def take(left: float) -> None:
            self.taken.append(name)
            self.left.append(left)
            if action is not None:
                await action()

        return Step(name, take)


@pytest.fixture
def steps() -> Steps:
    return Steps()


class TestTheDrain:
    async def test_is_unready_at_once(self):
        drain = drain_of(5)
        ready = Checks([drain.check()])
        assert (await ready.report()).ok

        drain.begin("test")

        assert not (await ready.report()).ok

    async def test_serves_on_for_the_delay(self, steps: Steps):
        drain = drain_of(1.5)
        running = asyncio.create_task(drain.run([steps.named("stop")]))

        drain.begin("test")

        await throughout(lambda: steps.taken == [], seconds=0.3)
        await running
        assert steps.taken == ["stop"]

    async def test_takes_the_steps_in_order_with_what_is_left_of_the_grace(self, steps: Steps):
        drain = drain_of(0.0, grace=10)
        running = asyncio.create_task(
            drain.run([steps.named("listeners"), steps.named("consumers"), steps.named("pools")])
        )

        drain.begin("test")
        await running

        assert steps.taken == ["listeners", "consumers", "pools"]
        assert steps.left == sorted(steps.left, reverse=True)
        # a tenth of it is for closing the pools
        assert 8 < steps.left[-1] <= 9

    async def test_goes_on_after_a_step_that_fails_or_hangs(self, steps: Steps):
        async def fail() -> None:
            raise RuntimeError("cannot close")

        async def hang() -> None:
            await asyncio.Event().wait()

        drain = drain_of(0.0, grace=0.1)
        running = asyncio.create_task(
            drain.run([steps.named("fails", fail), steps.named("hangs", hang), steps.named("pools")])
        )

        drain.begin("test")
        await asyncio.wait_for(running, timeout=10)

        assert steps.taken == ["fails", "hangs", "pools"]

    async def test_says_once_after_how_long_to_give_up(self):
        said: list[float] = []
        drain = Drain(DrainSettings(delay_seconds=1, grace_seconds=7), give_up_after=said.append)

        drain.begin("test")
        drain.begin("again")

        assert said == [7]

    async def test_tells_who_wants_to_know_before_the_delay(self, steps: Steps):
        told = asyncio.Event()
        drain = drain_of(10)
        running = asyncio.create_task(drain.run([steps.named("stop")], when_begun=told.set))

        drain.begin("test")

        await eventually(told.is_set)
        assert steps.taken == []
        running.cancel()


class TestASignal:
    async def test_begins_the_drain_and_a_second_one_changes_nothing(self, steps: Steps):
        drain = drain_of(1.5)
        drain.take_signals()
        running = asyncio.create_task(drain.run([steps.named("stop")]))

        os.kill(os.getpid(), signal.SIGTERM)
        await eventually(lambda: drain.draining)
        os.kill(os.getpid(), signal.SIGTERM)

        await throughout(lambda: steps.taken == [], seconds=0.2)
        await running

    async def test_from_the_keyboard_twice_skips_the_delay(self, steps: Steps):
        drain = drain_of(15)
        drain.take_signals()
        running = asyncio.create_task(drain.run([steps.named("stop")]))

        os.kill(os.getpid(), signal.SIGINT)
        await eventually(lambda: drain.draining)
        os.kill(os.getpid(), signal.SIGINT)

        await asyncio.wait_for(running, timeout=5)
        assert steps.taken == ["stop"]
