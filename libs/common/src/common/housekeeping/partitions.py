"""Monthly partitions, made and dropped by the two functions of the schema's owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from common.housekeeping.months import Month
from common.postgres.engine import Transaction

_LOG = structlog.get_logger()

# Whoever comes second leaves it to the first; a lock on the table that is not to be had is tried at the next
# round, because everybody else would wait behind us.
_BEGIN = sa.text("""
    SELECT set_config('lock_timeout', '2s', true),
           pg_try_advisory_xact_lock(hashtextextended(current_schema() || '/partitions', 0)) AS alone
""")
_SUFFIXES = sa.text("""
    SELECT substr(child.relname, length(parent.relname) + 2) AS suffix
    FROM pg_inherits
    JOIN pg_class AS child ON child.oid = inhrelid
    JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE inhparent = CAST(CAST(:parent AS text) AS regclass)
""")
_MAKE = sa.text("SELECT make_partition(:parent, :suffix, :low, :high)")
_DROP = sa.text("SELECT drop_partition(:parent, :suffix)")


@dataclass(frozen=True)
class Partitioned:
    """A table by months of a UUIDv7."""

    table: str
    column: str
    kept: timedelta
    """A month is dropped when all that it can hold is older than this."""

    @property
    def occupied(self) -> sa.TextClause:
        """Whether the default partition has rows of a month: its own partition is refused then."""
        return sa.text(f"""
            SELECT EXISTS (SELECT FROM {self.table}
                           WHERE tableoid = CAST('{self.table}_default' AS regclass)
                             AND {self.column} >= :low AND {self.column} < :high)
        """)


async def keep_partitions(tx: Transaction, tables: Sequence[Partitioned], *, now: datetime) -> None:
    """This month and the next exist, and what is past its retention is gone."""
    if not (await tx.execute(_BEGIN)).one().alone:
        return
    for one in tables:
        existing = set((await tx.execute(_SUFFIXES, {"parent": one.table})).scalars())
        this_month = Month.of(now)
        for month in (this_month, this_month.next):
            if month.suffix not in existing:
                await _make(tx, one, month)
        for suffix in sorted(existing):
            month = Month.of_suffix(suffix)
            if month is not None and month.ends_at + one.kept <= now:
                await tx.execute(_DROP, {"parent": one.table, "suffix": suffix})
                _LOG.info("partition.dropped", table=one.table, partition=suffix)


async def _make(tx: Transaction, one: Partitioned, month: Month) -> None:
    bounds = {"low": month.first_id, "high": month.next.first_id}
    if (await tx.execute(one.occupied, bounds)).scalar_one():
        # Written before anybody could make the partition: they stay where they are.
        _LOG.warning("partition.default_occupied", table=one.table, partition=month.suffix)
        return
    made = {"parent": one.table, "suffix": month.suffix}
    await tx.execute(_MAKE, made | {name: str(bound) for name, bound in bounds.items()})
    _LOG.info("partition.made", table=one.table, partition=month.suffix)
