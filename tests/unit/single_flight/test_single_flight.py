import asyncio

import pytest

from common.errors import QuartetError
from common.single_flight import SingleFlight
from tests.support.waiting import eventually, happens


class Work:
    """Ends when it is told to; counts how often it began and was cancelled."""

    def __init__(self) -> None:
        self.began = 0
        self.cancelled = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.began += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return self.began


@pytest.fixture
def flights():
    return SingleFlight()


@pytest.fixture
def work():
    return Work()


async def waiting(flights, work, count: int, key: str = "key") -> list[asyncio.Task]:
    tasks = [asyncio.create_task(flights.run(key, work)) for _ in range(count)]
    await eventually(lambda: key in flights._flights and flights._flights[key].waiting == count)
    await eventually(lambda: work.began)
    return tasks


async def cancel(task: asyncio.Task) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


class TestSingleFlight:
    async def test_does_the_work_once_for_all_who_wait(self, flights, work):
        tasks = await waiting(flights, work, 100)

        work.may_end.set()

        assert await asyncio.gather(*tasks) == [1] * 100

    async def test_keeps_different_things_apart(self, flights, work):
        one, other = await waiting(flights, work, 1), await waiting(flights, work, 1, key="other")

        work.may_end.set()

        await asyncio.gather(*one, *other)
        assert work.began == 2

    async def test_remembers_no_result(self, flights, work):
        work.may_end.set()

        assert [await flights.run("key", work), await flights.run("key", work)] == [1, 2]

    async def test_shares_an_error_and_remembers_none(self, flights, work):
        work.error = LookupError("planted")
        tasks = await waiting(flights, work, 3)

        work.may_end.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)

        assert results == [work.error] * 3
        work.error = None
        assert await flights.run("key", work) == 2

    async def test_that_one_leaves_goes_on_for_the_others(self, flights, work):
        first, second, third = await waiting(flights, work, 3)

        await cancel(first)
        await cancel(third)
        work.may_end.set()

        assert (await second, work.cancelled) == (1, 0)

    async def test_that_the_last_one_leaves_is_cancelled(self, flights, work):
        for task in await waiting(flights, work, 2):
            await cancel(task)

        await eventually(lambda: work.cancelled == 1)
        assert flights._flights == {}

    async def test_begins_anew_for_one_who_comes_after_the_last_left(self, flights):
        ending, may_end = asyncio.Event(), asyncio.Event()

        async def ends_slowly() -> str:
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await may_end.wait()
            return "never"

        async def anew() -> str:
            return "anew"

        left = asyncio.create_task(flights.run("key", ends_slowly))
        await eventually(lambda: flights._flights)
        await asyncio.wait([left], timeout=0.01)
        await cancel(left)
        await happens(ending)

        try:
            async with asyncio.timeout(5):
                assert await flights.run("key", anew) == "anew"
        finally:
            may_end.set()
        await eventually(lambda: not flights._tasks)

    async def test_that_is_stopped_by_others_is_an_error_and_no_silent_end(self, flights, work):
        [task] = await waiting(flights, work, 1)

        flights._flights["key"].task.cancel()

        with pytest.raises(QuartetError, match=r"work\.cancelled"):
            await task

    async def test_of_callers_that_come_and_go_leaves_nothing(self, flights, work):
        for _ in range(200):
            tasks = [asyncio.create_task(flights.run("key", work)) for _ in range(3)]
            await asyncio.wait(tasks, timeout=0)
            for task in tasks:
                await cancel(task)

        await eventually(lambda: not flights._tasks)
        assert flights._flights == {}

    async def test_that_has_just_ended_is_joined_by_nobody(self, flights, work):
        [first] = await waiting(flights, work, 1)

        work.may_end.set()
        second = asyncio.create_task(flights.run("key", work))

        assert (await first, await second) == (1, 2)
