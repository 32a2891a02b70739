import asyncio

from common.composition.tasks import Tasks
from common.health.drain import Drain
from common.health.watchdog import Watchdog
from common.settings import DrainSettings


def new_tasks() -> tuple[Tasks, Drain]:
    drain = Drain(DrainSettings(delay_seconds=0.0, grace_seconds=5.0))
    return Tasks(Watchdog(), drain), drain


async def until_stopped(stop: asyncio.Event) -> None:
    await stop.wait()


async def fails(_: asyncio.Event) -> None:
    raise RuntimeError("broken")


async def returns(_: asyncio.Event) -> None:
    return


class TestTasks:
    async def test_end_when_told_to_and_the_process_stays(self):
        tasks, drain = new_tasks()
        tasks.start("first", until_stopped)
        tasks.start("second", until_stopped)

        await asyncio.wait_for(tasks.stop("first"), 10)

        assert not tasks.failed
        assert not drain.draining
        await asyncio.wait_for(tasks.stop_all(), 10)

    async def test_take_the_process_along_when_one_fails(self):
        tasks, drain = new_tasks()

        tasks.start("relay", fails)

        await asyncio.wait_for(drain.begun(), 10)
        assert tasks.failed

    async def test_take_the_process_along_when_one_just_returns(self):
        tasks, drain = new_tasks()

        tasks.start("relay", returns)

        await asyncio.wait_for(drain.begun(), 10)
        assert tasks.failed

    async def test_that_do_not_end_are_cancelled_when_nobody_waits_any_more(self):
        tasks, drain = new_tasks()
        drain.begin("test")
        cancelled = asyncio.Event()

        async def never(_: asyncio.Event) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        tasks.start("stubborn", never)
        stopping = asyncio.ensure_future(tasks.stop("stubborn"))
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(stopping.cancel))
        await asyncio.wait([stopping], timeout=1)

        await asyncio.wait_for(cancelled.wait(), 10)
        assert not tasks.failed
