import asyncio
from struct import pack

import asyncpg
import pytest

from common.postgres.context import Context
from common.postgres.statement_names import Naming
from common.postgres.trip import Step, Trip, trip_message

DESCRIPTION = pack("!h", 1) + b"n\0" + pack("!ihihih", 0, 0, 20, 8, -1, 1)
FATAL = b"SFATAL\0C57P01\0Mterminating connection\0\0"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + pack("!i", len(body) + 4) + body


def asked(argument: str) -> Step:
    return Step("SELECT $1::text", [argument], Context.SHARED)


def row(value: bytes) -> bytes:
    return message(b"D", pack("!hi", 1, len(value)) + value)


ANSWER = b"".join(
    (
        *(message(b"1"), message(b"2"), row(b"auth_user"), message(b"C", b"SELECT 1\0")),
        *(message(b"1"), message(b"2"), message(b"T", DESCRIPTION)),
        *(row(pack("!q", 7)), row(pack("!q", -8)), message(b"C", b"SELECT 2\0"), message(b"Z", b"I")),
    )
)


class Driver(asyncio.Protocol):
    """Hears of what concerns the connection and not the answer."""

    lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


@pytest.fixture
async def driver() -> Driver:
    return Driver()


@pytest.fixture
async def trip(driver) -> Trip:
    return Trip(driver, asyncio.get_running_loop().create_future(), [asked("")])


class TestTrip:
    @pytest.mark.parametrize("size", [1, 2, 7, len(ANSWER)])
    async def test_ends_when_the_server_is_ready_in_whatever_pieces_that_comes(self, trip, size):
        pieces = [ANSWER[at : at + size] for at in range(0, len(ANSWER), size)]
        for piece in pieces[:-1]:
            trip.data_received(piece)
        assert not trip.ended.done()
        trip.data_received(pieces[-1])

        assert await trip.ended == ([[(7,), (-8,)]], "SELECT 2")

    async def test_waits_for_the_server_to_be_ready_after_its_error(self, trip):
        trip.data_received(message(b"E", b"SERROR\0C42703\0Mno such column\0\0"))
        assert not trip.ended.done()
        trip.data_received(message(b"Z", b"I"))

        with pytest.raises(asyncpg.UndefinedColumnError):
            await trip.ended

    async def test_that_ends_with_the_connection_tells_what_the_server_said(self, trip, driver):
        trip.data_received(message(b"E", FATAL))
        trip.connection_lost(None)

        assert driver.lost
        with pytest.raises(asyncpg.AdminShutdownError):
            await trip.ended

    async def test_that_ends_with_the_connection_is_no_answer(self, trip, driver):
        trip.data_received(ANSWER[:-1])
        trip.connection_lost(None)

        assert driver.lost
        with pytest.raises(ConnectionResetError):
            await trip.ended


class TestTripMessage:
    @pytest.mark.parametrize(
        ("naming", "kinds"),
        [(Naming.NONE, b"PBEPBDE"), (Naming.ANEW, b"CPBECPBDE"), (Naming.KNOWN, b"BEBDE")],
    )
    @pytest.mark.parametrize("steps", [1, 2])
    def test_asks_for_one_answer_only(self, naming, kinds, steps):
        sent = trip_message("auth", [asked("S")] * steps, naming)

        found = []
        while sent:
            found.append(sent[:1])
            sent = sent[1 + int.from_bytes(sent[1:5], "big") :]
        # with a second Sync a pooler may give the server to somebody else in between
        assert b"".join(found) == kinds * steps + b"S"

    def test_keeps_arguments_out_of_the_statement(self):
        sent = trip_message("auth", [asked("'; DROP TABLE users")], Naming.ANEW)

        assert b"SELECT $1::text\0" in sent
        assert sent.count(b"'; DROP TABLE users") == 1
