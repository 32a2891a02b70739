"""What checks ask of the database, in one small transaction for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from common.postgres.context import Context
from common.postgres.engine import Database
from common.single_flight import SingleFlight

# In one statement: beside the answers to requests, each further round trip would wait for its turn again.
_READ = """
    SELECT version_num, process, at, lag, kafka_seen_at
    FROM alembic_version LEFT JOIN heartbeats ON true ORDER BY process
"""


@dataclass(frozen=True)
class Heartbeat:
    process: str
    at: datetime
    lag: int | None
    kafka_seen_at: datetime | None


@dataclass(frozen=True)
class Reading:
    version: str
    """Of the schema, empty where there is none; revisions are numbered, so the greatest is the newest."""
    heartbeats: Sequence[Heartbeat]


class Probe:
    """Checks that ask at the same time are answered by one reading."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._flight = SingleFlight()

    async def read(self) -> Reading:
        return await self._flight.run("reading", self._read)

    async def _read(self) -> Reading:
        async with self.database.read_transaction(as_user=Context.SHARED) as connection:
            rows = await connection.fetch(_READ)
        return Reading(
            version=max((str(row["version_num"]) for row in rows), default=""),
            heartbeats=[
                Heartbeat(row["process"], row["at"], row["lag"], row["kafka_seen_at"])
                for row in rows
                if row["process"] is not None
            ],
        )

    async def close(self) -> None:
        await self.database.close()
