"""The only place in the suites that lets time pass: tests wait for a fact, never for a while."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

Fact = Callable[[], Awaitable[T]] | Callable[[], T]


async def eventually(fact: Fact[T], within: float = 10.0, every: float = 0.02) -> T:
    """The first truthy answer of `fact`; a failed assertion inside it means not yet.

    At the deadline the last failed assertion is raised, or one that shows the last answer.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        answer: T | None = None
        failure: AssertionError | None = None
        try:
            answer = await _ask(fact)
        except AssertionError as error:
            failure = error
        else:
            if answer:
                return answer
        if loop.time() >= deadline:
            raise failure or AssertionError(f"not within {within} s; the last answer was {answer!r}")
        await _turn(every)


async def throughout(fact: Fact[object], seconds: float = 0.5, every: float = 0.02) -> None:
    """`fact` stays true for all of the time: what must not happen did not."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        answer = await _ask(fact)
        assert answer, f"it stopped being true; the answer was {answer!r}"
        await _turn(every)


async def happens(event: asyncio.Event, within: float = 10.0) -> None:
    """Wait for an event that the code under test sets."""
    async with asyncio.timeout(within):
        await event.wait()


async def _ask(fact: Fact[T]) -> T:
    answer: Any = fact()
    return await answer if inspect.isawaitable(answer) else answer


async def _turn(seconds: float) -> None:
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, passed.set)
    await passed.wait()
