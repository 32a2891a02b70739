import asyncio
import threading

import argon2
import bcrypt
import pytest

from auth_service.domain.passwords import Checked, HashingCost, Passwords
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


def bcrypted(password: bytes, prefix: bytes = b"2b") -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(4, prefix=prefix)).decode()


class TestAHashOfAnOlderSystem:
    @pytest.mark.parametrize("prefix", [b"2a", b"2b"])
    def test_fits_and_is_made_anew(self, prefix: bytes):
        passwords = Passwords(CHEAP)

        checked = passwords.check("correct horse battery", bcrypted(b"correct horse battery", prefix))

        assert checked.right
        assert passwords.matches("correct horse battery", checked.renewed)
        assert checked.renewed is not None
        assert checked.renewed.startswith("$argon2id$")

    def test_that_does_not_fit_is_not_made_anew(self):
        assert Passwords(CHEAP).check("wrong horse", bcrypted(b"correct horse battery")) == Checked(
            right=False
        )

    def test_was_made_of_the_first_72_bytes_as_they_were_typed(self):
        passwords = Passwords(CHEAP)
        stored = bcrypted("é".encode() + b"x" * 70)

        assert passwords.matches("é" + "x" * 70, stored)
        assert passwords.matches("é" + "x" * 70 + "and more", stored)
        assert not passwords.matches("é" + "x" * 69, stored)

    def test_of_all_the_password_is_made_anew_once_it_was_right(self):
        passwords = Passwords(CHEAP)
        renewed = passwords.check("x" * 72 + "and more", bcrypted(b"x" * 72)).renewed

        assert not passwords.matches("x" * 72, renewed)


class TestTheCost:
    def test_of_an_older_hash_is_raised_when_it_is_used(self):
        older, newer = Passwords(CHEAP), Passwords(HashingCost(memory_kib=128, passes=1))

        renewed = newer.check("correct horse battery", older.hash("correct horse battery")).renewed

        assert renewed is not None
        assert argon2.extract_parameters(renewed).memory_cost == 128
        assert newer.check("correct horse battery", renewed) == Checked(right=True)

    @pytest.mark.parametrize("asked", ["m=4194304,t=1,p=1", "m=131072,t=1000,p=1", "m=64,t=1,p=255"])
    def test_that_a_stored_hash_may_ask_for_is_bounded(self, asked: str):
        stored = Passwords(CHEAP).hash("correct horse battery").replace("m=64,t=1,p=1", asked)

        assert not Passwords(CHEAP).matches("correct horse battery", stored)

    def test_of_a_bcrypt_hash_is_bounded_too(self):
        stored = bcrypted(b"correct horse battery").replace("$04$", "$31$")

        assert not Passwords(CHEAP).matches("correct horse battery", stored)


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
