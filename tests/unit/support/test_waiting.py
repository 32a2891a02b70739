import asyncio

import pytest

from tests.support.waiting import eventually, happens, throughout


class TestEventually:
    async def test_gives_the_first_truthy_answer(self):
        answers = iter([None, 0, "there"])

        assert await eventually(lambda: next(answers), every=0.001) == "there"

    async def test_waits_for_coroutines_too(self):
        async def fact() -> bool:
            return True

        assert await eventually(fact)

    async def test_takes_a_failed_assertion_for_not_yet(self):
        numbers = iter(range(4))

        def fact() -> bool:
            assert next(numbers) == 3
            return True

        assert await eventually(fact, every=0.001)

    async def test_shows_the_last_answer_at_the_deadline(self):
        with pytest.raises(AssertionError, match="the last answer was \\[\\]"):
            await eventually(list, within=0.01, every=0.001)

    async def test_raises_the_last_failed_assertion_at_the_deadline(self):
        def fact() -> None:
            raise AssertionError("one row is missing")

        with pytest.raises(AssertionError, match="one row is missing"):
            await eventually(fact, within=0.01, every=0.001)

    async def test_does_not_hide_an_error(self):
        with pytest.raises(ZeroDivisionError):
            await eventually(lambda: 1 // 0)


class TestThroughout:
    async def test_ends_when_the_time_is_over(self):
        await throughout(lambda: True, seconds=0.01, every=0.001)

    async def test_fails_at_the_first_moment_that_is_otherwise(self):
        answers = iter([True, True, False])

        with pytest.raises(AssertionError, match="stopped being true"):
            await throughout(lambda: next(answers), every=0.001)


class TestHappens:
    async def test_ends_with_the_event(self):
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)

        await happens(event)

    async def test_gives_up_at_the_deadline(self):
        with pytest.raises(TimeoutError):
            await happens(asyncio.Event(), within=0.001)
