"""When a guesser has to wait, and for how long (ADR 0022).

Failures are counted by account and network, and by account alone. A device that its owner signed in on before
is counted by itself and nowhere else: no stranger can lock it out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from auth_service.domain.macs import Macs

_TAG = "login attempts"
FORGOTTEN_AFTER = timedelta(hours=24)
"""Without a failure; longer than any wait."""


@dataclass(frozen=True)
class Patience:
    """The first failures are free; each one after them doubles the wait."""

    free: int
    first: timedelta
    longest: timedelta

    def wait(self, failures: int) -> timedelta | None:
        over = failures - self.free
        return None if over < 0 else min(self.first * 2 ** min(over, 20), self.longest)


FROM_A_NETWORK = Patience(free=5, first=timedelta(seconds=30), longest=timedelta(hours=1))
ON_THE_ACCOUNT = Patience(free=20, first=timedelta(seconds=10), longest=timedelta(minutes=15))
"""From everywhere together. Those who share a guess among many networks wait; the owner never for longer."""
ON_A_KNOWN_DEVICE = Patience(free=10, first=timedelta(seconds=30), longest=timedelta(minutes=15))

Counters = Mapping[bytes, Patience]
"""What an attempt is counted by: keyed tags, as nobody shall read addresses in the table."""


def counters(
    macs: Macs, *, email_norm: str, network: str | None, known_device: UUID | None
) -> dict[bytes, Patience]:
    """Made of the address, whether or not it is anybody's."""
    address = email_norm.encode()
    if known_device is not None:
        return {macs.tag(_TAG, b"device", address, known_device.bytes): ON_A_KNOWN_DEVICE}
    return {
        macs.tag(_TAG, b"network", address, (network or "").encode()): FROM_A_NETWORK,
        macs.tag(_TAG, b"account", address): ON_THE_ACCOUNT,
    }


@dataclass(frozen=True)
class Attempts:
    """What a counter says once a failure was counted."""

    failures: int
    locked_until: datetime | None


def lock_of(patience: Patience, failures: int, *, now: datetime) -> datetime | None:
    wait = patience.wait(failures)
    return None if wait is None else now + wait
