import asyncio
import threading

import pytest

from auth_service.domain.passwords import HashingCost, Passwords
from auth_service.usecases.hashing import Hashing
from common.errors import Kind, QuartetError

CHEAP = HashingCost(memory_kib=64, passes=1)


class TestPasswords:
    def test_match_what_they_were_made_from(self):
        passwords = Passwords(CHEAP)

        assert passwords.matches("correct horse battery", passwords.hash("correct horse battery"))
        assert not passwords.matches("correct horse", passwords.hash("correct horse battery"))

    def test_are_argon2id(self):
        assert Passwords(CHEAP).hash("correct horse battery").startswith("$argon2id$")

    def test_match_on_a_device_that_composes_letters_otherwise(self):
        passwords = Passwords(CHEAP)

        assert passwords.matches("café au lait noir", passwords.hash("cafe\u0301 au lait noir"))

    @pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$broken"])
    def test_of_nobody_match_nothing(self, stored: str | None):
        assert not Passwords(CHEAP).matches("nobody has this password", stored)


class Blocked(Passwords):
    """Hashes when it is let to."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.let = threading.Event()

    def hash(self, password: str) -> str:
        self.let.wait(5)
        return "done"


class TestHashing:
    async def test_refuses_with_unavailable_when_its_queue_is_full(self):
        passwords = Blocked()
        hashing = Hashing(passwords, at_once=1, waiting=1)
        accepted = [asyncio.ensure_future(hashing.hash("one")), asyncio.ensure_future(hashing.hash("two"))]
        first_turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(first_turn.set_result, None)
        await first_turn

        with pytest.raises(QuartetError) as refused:
            await hashing.hash("three")

        passwords.let.set()
        assert await asyncio.gather(*accepted) == ["done", "done"]
        assert (refused.value.kind, refused.value.code) == (Kind.UNAVAILABLE, "auth.busy")
        hashing.close()

    async def test_keeps_the_place_of_a_caller_who_went_away_until_the_thread_is_done(self):
        passwords = Blocked()
        hashing = Hashing(passwords, at_once=1, waiting=0)
        gone = asyncio.ensure_future(hashing.hash("one"))
        started = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(started.set_result, None)
        await started
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)

        with pytest.raises(QuartetError):
            await hashing.hash("two")

        passwords.let.set()
        hashing.close()
