"""What a login does to the counters of its address, all of it as login; the rules are the domain's."""

from datetime import datetime

from auth_service.domain.errors import login_locked
from auth_service.domain.login_locks import Counters, lock_of
from auth_service.storage.login_attempts import (
    count_failure,
    forgive_attempts,
    hold_attempts,
    lock_attempts,
    read_locked_until,
)
from common.postgres.engine import Transaction


async def refuse_while_locked(tx: Transaction, counters: Counters, *, now: datetime) -> None:
    """Before anything is looked at: who waits learns nothing of the password."""
    locked_until = await read_locked_until(tx, counters.keys(), now=now)
    if locked_until is not None:
        raise login_locked(locked_until, now=now)


async def count_wrong(tx: Transaction, counters: Counters, *, now: datetime) -> datetime | None:
    """When a lock begins with this failure, until when.

    Of guesses that came all at once, those that are decided after the lock began are told of the lock, as if
    they had come later.
    """
    counted = await count_failure(tx, counters.keys(), now=now)
    standing = [one.locked_until for one in counted.values() if one.locked_until and one.locked_until > now]
    if standing:
        raise login_locked(max(standing), now=now)
    begun = {who: lock_of(counters[who], one.failures, now=now) for who, one in counted.items()}
    locks = {who: until for who, until in begun.items() if until is not None}
    if not locks:
        return None
    await lock_attempts(tx, locks)
    return max(locks.values())


async def let_through(tx: Transaction, counters: Counters, *, full: bool, now: datetime) -> None:
    """A right password; raises, and so undoes what it began, when a lock began while it was looked at.

    Only a full login forgives: half of one shall not give a guesser more guesses.
    """
    held = await hold_attempts(tx, counters.keys())
    standing = [one.locked_until for one in held.values() if one.locked_until and one.locked_until > now]
    if standing:
        raise login_locked(max(standing), now=now)
    if full and any(one.failures for one in held.values()):
        await forgive_attempts(tx, counters.keys())
