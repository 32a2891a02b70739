"""From the commit of an event in one service to its effect in another, at half of the full load."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import uuid4

import asyncpg
import sqlalchemy as sa
import uvloop
from redis.asyncio import Redis

from bench._report import at_most, report
from bench._servers import servers, superuser, worker_database
from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.ids import new_id
from common.messaging.consumer import Consumer
from common.messaging.handlers import Handlers
from common.messaging.hints import Hints, Wakeups
from common.messaging.outbox import record
from common.messaging.relay import Relay
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from tests.support.factories import user_registered
from tests.support.installation import Installation

FULL_EVENTS = 1_500
"""As fast as they are taken: that rate is the full load."""
SECONDS = 15.0
WRITERS = 4

# The database's clock on both sides. A row is stamped just before its commit: what is told is not too little.
_COMMITTED = """
    CREATE TABLE IF NOT EXISTS auth.bench_commits (id uuid PRIMARY KEY, at timestamptz NOT NULL);
    CREATE TABLE IF NOT EXISTS profile.bench_effects (id uuid PRIMARY KEY, at timestamptz NOT NULL);
    GRANT INSERT ON auth.bench_commits TO auth_system;
    GRANT INSERT ON profile.bench_effects TO profile_user, profile_system;
    TRUNCATE auth.bench_commits, profile.bench_effects
"""
_STAMP = "INSERT INTO {table} (id, at) VALUES (:id, clock_timestamp())"
_WAITS = """
    SELECT c.at AS committed, e.at AS done
    FROM auth.bench_commits c LEFT JOIN profile.bench_effects e USING (id)
"""


async def effect(tx: Transaction, event: Event[UserRegistered]) -> None:
    await tx.execute(sa.text(_STAMP.format(table="bench_effects")), {"id": event.id})


async def publish(database: Database) -> None:
    event = user_registered(new_id())

    async def use_case(tx: Transaction) -> None:
        await record(tx, event)
        await tx.execute(sa.text(_STAMP.format(table="bench_commits")), {"id": event.id})

    await database.in_transaction(Context.SYSTEM, use_case)


async def write(database: Database, *, per_second: float, seconds: float) -> None:
    """On time, whatever the one before took: a slow system is not asked less."""
    began = time.perf_counter()
    for number in range(int(per_second * seconds)):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        await publish(database)


@asynccontextmanager
async def both_services(installation: Installation) -> AsyncIterator[Database]:
    """Relay and hints of the one, consumer of the other, as their workers run them."""
    redis: Redis = Redis.from_url(
        installation.redis_settings("auth").url.get_secret_value(),
        ssl_ca_certs=str(installation.stack.ca_file),
    )
    prefix = installation.redis_settings("auth").prefix
    hints, wakeups = Hints(redis, prefix), Wakeups(redis, prefix, ("outbox",))
    settings = installation.database_settings("auth", "worker")
    auth = Database(settings, service="auth", application_name="latency", on_commit=hints.publish)
    profile = worker_database(installation, "profile")
    handlers = Handlers("profile")
    handlers.each(UserRegistered, effect)
    consumer = Consumer(
        profile, installation.kafka_settings("profile"), handlers, name=f"bench-{uuid4().hex}"
    )
    relay = Relay(auth, installation.kafka_settings("auth"), wakeups, service="auth")
    stop = asyncio.Event()
    tasks = [asyncio.create_task(part.run(stop)) for part in (hints, wakeups, relay, consumer)]
    try:
        yield auth
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await auth.close()
        await profile.close()
        await redis.aclose()


async def all_done(root: asyncpg.Connection) -> None:
    while await root.fetchval(f"SELECT EXISTS (SELECT FROM ({_WAITS}) w WHERE done IS NULL)"):  # noqa: ASYNC110 - the database knows
        await asyncio.sleep(0.05)


async def full_load(auth: Database, root: asyncpg.Connection) -> float:
    began = time.perf_counter()

    async def some() -> None:
        for _ in range(FULL_EVENTS // WRITERS):
            await publish(auth)

    await asyncio.gather(*(some() for _ in range(WRITERS)))
    await all_done(root)
    return FULL_EVENTS / (time.perf_counter() - began)


async def main() -> None:
    async with servers() as (installation, _), superuser(installation) as root:
        await root.execute(_COMMITTED)
        async with both_services(installation) as auth:
            await publish(auth)
            await all_done(root)
            full = await full_load(auth, root)
            await root.execute("TRUNCATE auth.bench_commits, profile.bench_effects")
            rate = full / 2
            await asyncio.gather(
                *(write(auth, per_second=rate / WRITERS, seconds=SECONDS) for _ in range(WRITERS))
            )
            await all_done(root)
            waits = sorted(_milliseconds(row["committed"], row["done"]) for row in await root.fetch(_WAITS))
        await root.execute("DROP TABLE auth.bench_commits, profile.bench_effects")
    report(
        "latency",
        f"Commit to effect in another service, {len(waits):,} events at half load",
        [
            {
                "full load, events/s": round(full),
                "half load, events/s": round(rate),
                "p50 ms": round(waits[len(waits) // 2], 1),
                "p99 ms": round(waits[len(waits) * 99 // 100], 1),
                "slowest ms": round(waits[-1], 1),
                "goal of p50": at_most(waits[len(waits) // 2], 50),
                "goal of p99": at_most(waits[len(waits) * 99 // 100], 250),
            }
        ],
        goal="p50 at most 50 ms, p99 at most 250 ms",
    )


def _milliseconds(committed: datetime, done: datetime) -> float:
    return (done - committed).total_seconds() * 1000


if __name__ == "__main__":
    uvloop.run(main())
