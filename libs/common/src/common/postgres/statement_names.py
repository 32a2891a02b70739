"""Names for statements behind a transaction pooler, where each transaction has another server (ADR 0026)."""

import hashlib
from enum import Enum, auto

_MOST_FORGOTTEN = 32


class Naming(Enum):
    NONE = auto()
    """Parsed and planned each time."""
    ANEW = auto()
    """Parsed under its name, whatever the server knows by that name."""
    KNOWN = auto()
    """The server has it under its name, with its plan; or says that it has not, and nothing happened."""


def name_of(statement: str, role: str) -> str:
    """Everybody behind a pooler shares the names: this one is made of what it means, so it means the same to
    everybody. The role is a part of it: no plan is ever used by two roles."""
    return f"quartet_{hashlib.sha256(f'{role};{statement}'.encode()).hexdigest()[:32]}"


Meant = tuple[tuple[str, str], ...]
"""The statements of a trip, each with its role."""


class StatementNames:
    """Of one connection: what it has named, and whether servers keep it."""

    def __init__(self) -> None:
        self._named: set[Meant] = set()
        self._forgotten = 0

    def naming(self, meant: Meant) -> Naming:
        """What this connection never named itself is named anew: a pooler that keeps names apart would end a
        connection that speaks of one it does not know."""
        if self._forgotten > _MOST_FORGOTTEN:
            return Naming.NONE
        return Naming.KNOWN if meant in self._named else Naming.ANEW

    def named(self, meant: Meant) -> None:
        self._named.add(meant)

    def met(self) -> None:
        if self._forgotten:
            self._forgotten -= 1

    def missed(self) -> Naming:
        """A server that is new to the pooler knows none; where all forget, as after DISCARD ALL, naming them
        costs a second trip each time, and is left off."""
        self._forgotten += 1
        return Naming.ANEW if self._forgotten <= _MOST_FORGOTTEN else Naming.NONE
