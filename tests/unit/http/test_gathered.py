import asyncio

import pytest

from common.http.gathered import GatheredWrites
from tests.support.waiting import happens


class Wire(asyncio.Transport):
    """Keeps the pieces that were handed on, and how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.end = ""

    def write(self, data) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.end = "closed"

    def abort(self) -> None:
        self.end = "aborted"

    def is_closing(self) -> bool:
        return bool(self.end)

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def writes(wire) -> GatheredWrites:
    return GatheredWrites(wire)


async def a_step() -> None:
    """Of the loop, after which all that was planned before has run."""
    planned = asyncio.Event()
    asyncio.get_running_loop().call_soon(planned.set)
    await happens(planned)


class TestGatheredWrites:
    async def test_leave_in_one_piece_when_they_come_in_one_step(self, wire, writes):
        writes.write(b"head ")
        writes.write(b"body")
        assert (wire.pieces, writes.get_write_buffer_size()) == ([], 9)
        await a_step()

        assert (wire.pieces, writes.get_write_buffer_size()) == ([b"head body"], 0)

    async def test_wait_for_nothing_that_comes_later(self, wire, writes):
        writes.write(b"head ")
        await a_step()
        writes.write(b"first event")
        await a_step()

        assert wire.pieces == [b"head ", b"first event"]

    async def test_leave_before_the_connection_is_closed(self, wire, writes):
        writes.write(b"goodbye")
        writes.close()
        await a_step()

        assert (wire.pieces, wire.end) == ([b"goodbye"], "closed")

    async def test_are_dropped_with_a_connection_that_is_aborted(self, wire, writes):
        writes.write(b"goodbye")
        writes.abort()
        await a_step()

        assert (wire.pieces, wire.end) == ([], "aborted")
