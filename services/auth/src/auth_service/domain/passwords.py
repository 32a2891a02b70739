"""Argon2id with parameters in one place; a hash made otherwise still fits, and is made anew when used."""

import re
import unicodedata
from dataclasses import dataclass

import bcrypt
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

FEWEST_CHARACTERS = 12
MOST_CHARACTERS = 256

_MOST_MEMORY_KIB = 262_144
_MOST_WORK_KIB = 2_097_152
"""Memory times passes: some two seconds of one core."""
_MOST_LANES = 16
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}")
"""Up to 2^14 rounds, about a second; no system that people wait for asks for more."""
_BCRYPT_BYTES = 72
"""What follows in a password was never looked at."""


@dataclass(frozen=True)
class HashingCost:
    """OWASP's first choice for argon2id: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


@dataclass(frozen=True)
class Checked:
    right: bool
    renewed: str | None = None
    """The right password hashed as it is done today, where the stored hash was made otherwise."""


class Passwords:
    def __init__(self, cost: HashingCost) -> None:
        self._hasher = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            type=Type.ID,
        )
        self._nobodys = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        return self._hasher.hash(normalised(password))

    def matches(self, password: str, stored: str | None) -> bool:
        """Takes as long for an account that does not exist as for one that does."""
        if stored is not None and _BCRYPT.fullmatch(stored):
            return _matches_bcrypt(password, stored)
        usable = stored is not None and _is_affordable(stored)
        try:
            self._hasher.verify(
                stored if stored is not None and usable else self._nobodys, normalised(password)
            )
        except (VerificationError, InvalidHashError):
            return False
        return usable

    def check(self, password: str, stored: str | None) -> Checked:
        if not self.matches(password, stored) or stored is None:
            return Checked(right=False)
        outdated = bool(_BCRYPT.fullmatch(stored)) or self._hasher.check_needs_rehash(stored)
        return Checked(right=True, renewed=self.hash(password) if outdated else None)


def _is_affordable(stored: str) -> bool:
    """Whoever could write a hash into the database could otherwise ask for all of the machine's memory."""
    try:
        asked = extract_parameters(stored)
    except InvalidHashError:
        return False
    return (
        asked.memory_cost <= _MOST_MEMORY_KIB
        and asked.memory_cost * asked.time_cost <= _MOST_WORK_KIB
        and asked.parallelism <= _MOST_LANES
    )


def _matches_bcrypt(password: str, stored: str) -> bool:
    """As older systems did: the bytes as they were typed, and of those the first 72."""
    return bcrypt.checkpw(password.encode()[:_BCRYPT_BYTES], stored.encode())


def normalised(password: str) -> str:
    """The same keys pressed on another device give the same bytes."""
    return unicodedata.normalize("NFKC", password)
