"""Who relays: a row that one process holds and renews."""

import time
from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa

from common.postgres.context import Context
from common.postgres.engine import Database

# `now()` is when the transaction began: waiting for the row can only shorten what is promised.
_TAKE = sa.text("""
    INSERT INTO relay_lease AS lease (shard, holder, until, epoch)
    VALUES (0, :holder, now() + make_interval(secs => :seconds), 1)
    ON CONFLICT (shard) DO UPDATE
    SET holder = excluded.holder,
        until = excluded.until,
        epoch = lease.epoch + CASE WHEN lease.holder = excluded.holder THEN 0 ELSE 1 END
    WHERE lease.holder = excluded.holder OR lease.until < now()
    RETURNING epoch
""")

_GIVE_UP = sa.text("UPDATE relay_lease SET until = now() WHERE shard = 0 AND holder = :holder")

HELD = "EXISTS (SELECT FROM relay_lease WHERE shard = 0 AND holder = $1 AND until > now())"
"""The same question inside a batch's transaction, asked of the database and its clock."""


class Lease:
    """Held at most for what was last granted, by this process's own clock, measured from before asking."""

    def __init__(
        self, database: Database, *, holder: UUID, seconds: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self.holder = holder
        self._seconds = seconds
        self._now = now
        self._until = 0.0

    @property
    def held(self) -> bool:
        return self._now() < self._until

    async def take(self) -> bool:
        """Takes the lease, or renews it."""
        asked_at = self._now()
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            granted = await tx.execute(_TAKE, {"holder": self.holder, "seconds": self._seconds})
            taken = granted.first() is not None
        self._until = asked_at + self._seconds if taken else 0.0
        return taken

    def lose(self) -> None:
        self._until = 0.0

    async def give_up(self) -> None:
        """The next holder need not wait for it to run out."""
        self.lose()
        async with self._database.transaction(as_user=Context.SYSTEM) as tx:
            await tx.execute(_GIVE_UP, {"holder": self.holder})
