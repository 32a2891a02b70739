"""How signing keys follow one another: none signs before everybody has had the time to fetch it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from auth_service.domain.tokens import ACCESS_TOKEN_LIFETIME


class KeyState(StrEnum):
    PENDING = "pending"
    """Published, and signs nothing yet: everybody has the time to fetch it."""
    ACTIVE = "active"
    RETIRING = "retiring"
    """Signs nothing any more; what it signed is still valid."""
    RETIRED = "retired"
    """Not published, and its private half is erased."""


@dataclass(frozen=True)
class Rotation:
    every: timedelta = timedelta(days=90)
    publish_for: timedelta = timedelta(minutes=10)
    """Longer than any reader of the key set keeps it without looking again."""
    retire_after: timedelta = ACCESS_TOKEN_LIFETIME + timedelta(minutes=5)


@dataclass(frozen=True)
class KnownKey:
    kid: str
    state: KeyState
    changed_at: datetime


@dataclass(frozen=True)
class Step:
    """What to do next: a state for a key that is there, or a new one."""

    state: KeyState
    kid: str | None = None


def next_steps(
    keys: Sequence[KnownKey], rotation: Rotation, *, now: datetime, asked: bool = False
) -> list[Step]:
    """`asked` begins a rotation before its time; there is one at once, and each waits for its times."""
    of = {state: [key for key in keys if key.state is state] for state in KeyState}
    steps = [
        Step(KeyState.RETIRED, key.kid)
        for key in of[KeyState.RETIRING]
        if now - key.changed_at >= rotation.retire_after
    ]
    if not of[KeyState.ACTIVE]:
        return [*steps, Step(KeyState.ACTIVE)]
    (active,) = of[KeyState.ACTIVE]
    for pending in of[KeyState.PENDING]:
        if now - pending.changed_at >= rotation.publish_for:
            steps += [Step(KeyState.RETIRING, active.kid), Step(KeyState.ACTIVE, pending.kid)]
    if not of[KeyState.PENDING] and (asked or now - active.changed_at >= rotation.every):
        steps.append(Step(KeyState.PENDING))
    return steps


def replacement(keys: Sequence[KnownKey]) -> list[Step]:
    """For a key that somebody may have: what it signed is refused as soon as readers look again."""
    told = [key for key in keys if key.state is not KeyState.RETIRED]
    return [*(Step(KeyState.RETIRED, key.kid) for key in told), Step(KeyState.ACTIVE)]
