"""Argon2id with parameters in one place; a hash made with older ones is found out when it is used."""

import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

FEWEST_CHARACTERS = 12
MOST_CHARACTERS = 256


@dataclass(frozen=True)
class HashingCost:
    """OWASP's first choice for argon2id: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


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
        return self._hasher.hash(_normal(password))

    def matches(self, password: str, stored: str | None) -> bool:
        """Takes as long for an account that does not exist as for one that does."""
        try:
            self._hasher.verify(self._nobodys if stored is None else stored, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None


def _normal(password: str) -> str:
    """The same keys pressed on another device give the same bytes."""
    return unicodedata.normalize("NFKC", password)
