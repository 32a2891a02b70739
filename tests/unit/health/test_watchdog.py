import asyncio

import pytest

from common.health.watchdog import STUCK_SECONDS, Progress, Watchdog
from common.postgres.timeouts import BEGIN_SECONDS, COMMAND_SECONDS, CONNECT_SECONDS, ROLLBACK_SECONDS


class Partitions:
    def __init__(self) -> None:
        self.held: dict[str, tuple[int, int]] = {}

    def __call__(self) -> dict[str, tuple[int, int]]:
        return self.held


@pytest.fixture
def partitions() -> Partitions:
    return Partitions()


@pytest.fixture
def progress(partitions: Partitions) -> Progress:
    return Progress(partitions, stuck_seconds=10)


class TestProgress:
    def test_is_stuck_when_the_position_does_not_move(self, progress: Progress, partitions: Partitions):
        partitions.held = {"users-0": (5, 9), "users-1": (5, 9)}
        progress.observe(0)
        partitions.held = {"users-0": (5, 12), "users-1": (6, 900)}
        progress.observe(9)

        assert progress.stuck(10) == ()
        assert progress.stuck(11) == ("users-0",)

    def test_takes_longer_to_be_stuck_than_a_silent_database_can_hold_up_one_attempt(self):
        longest = CONNECT_SECONDS + BEGIN_SECONDS + COMMAND_SECONDS + ROLLBACK_SECONDS

        assert 2 * longest < STUCK_SECONDS

    def test_is_not_stuck_when_there_is_nothing_to_do(self, progress: Progress, partitions: Partitions):
        partitions.held = {"users-0": (9, 9)}
        for now in (0, 50, 100):
            progress.observe(now)

        assert progress.stuck(105) == ()

    def test_starts_anew_when_a_partition_comes_back(self, progress: Progress, partitions: Partitions):
        partitions.held = {"users-0": (5, 9)}
        progress.observe(0)
        partitions.held = {}
        progress.observe(5)
        partitions.held = {"users-0": (5, 9)}
        progress.observe(8)

        assert progress.stuck(17) == ()


class TestTheWatchdog:
    @pytest.fixture
    def elapsed(self) -> list[float]:
        return [0.0]

    @pytest.fixture
    def watchdog(self, elapsed: list[float]) -> Watchdog:
        return Watchdog(most_lag_seconds=2, now=lambda: elapsed[0])

    async def test_lets_live_while_everything_turns(self, watchdog: Watchdog, elapsed: list[float]):
        elapsed[0] += 1
        watchdog.tick()

        assert (await watchdog.checks().report()).ok

    async def test_sees_a_loop_that_does_not_turn(self, watchdog: Watchdog, elapsed: list[float]):
        elapsed[0] += 3

        assert (await watchdog.checks().report()).degraded == ("loop",)

    async def test_sees_a_task_that_ended(self, watchdog: Watchdog):
        async def consume() -> None:
            raise RuntimeError("gone")

        task = asyncio.create_task(consume())
        watchdog.supervise("consumer", task)
        await asyncio.wait([task])

        report = await watchdog.checks().report()

        assert report.degraded == ("tasks",)
        assert "consumer" in report.results[1].detail

    async def test_still_sees_it_when_the_process_leaves_because_of_it(self, watchdog: Watchdog):
        task = asyncio.create_task(asyncio.Event().wait())
        watchdog.supervise("consumer", task)
        task.cancel()
        await asyncio.wait([task])

        watchdog.leaving()

        assert (await watchdog.checks().report()).degraded == ("tasks",)

    async def test_expects_tasks_to_end_while_leaving(self, watchdog: Watchdog):
        task = asyncio.create_task(asyncio.Event().wait())
        watchdog.supervise("consumer", task)

        watchdog.leaving()
        task.cancel()
        await asyncio.wait([task])

        assert (await watchdog.checks().report()).ok

    async def test_sees_a_stuck_partition(
        self, watchdog: Watchdog, progress: Progress, partitions: Partitions, elapsed: list[float]
    ):
        watchdog.watch(progress)
        partitions.held = {"users-0": (5, 9)}
        for _ in range(12):
            watchdog.tick()
            elapsed[0] += 1

        assert (await watchdog.checks().report()).degraded == ("progress",)

    async def test_ticks_by_itself(self):
        watchdog = Watchdog()
        stop = asyncio.Event()
        running = asyncio.create_task(watchdog.run(stop))

        stop.set()

        await running
