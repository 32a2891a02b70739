"""Both kinds of handler in the consumer runtime against a straight-line loop with the same statements."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import asyncpg
import sqlalchemy as sa
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from bench._report import at_least, median, report
from bench._servers import servers, superuser, worker_database
from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event, stem
from common.messaging import inbox, kafka
from common.messaging.consumer import Consumer
from common.messaging.handlers import Handlers
from common.messaging.headers import encode, parse_event
from common.postgres.asking import ask
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from common.settings import KafkaSettings
from tests.support.factories import user_registered

EVENTS = 24_000
"""So many that most of them are still at the broker when the first ones are handed over."""
ONE_BY_ONE = 6_000
FETCH = 500
ROUNDS = 3
SERVICE = "profile"
BY_STEM = {stem(UserRegistered): UserRegistered}

_ONE = sa.text(
    "INSERT INTO profiles (user_id, display_name, timezone, language) VALUES (:id, :name, :zone, :language)"
)
_MANY = sa.text("""
    INSERT INTO profiles (user_id, display_name, timezone, language)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[]), CAST(:zones AS text[]),
                         CAST(:languages AS text[]))
""")
_SEEN = sa.text("SELECT topic, key FROM parked_keys WHERE consumer = :consumer LIMIT :most")
_BECOME = sa.text("SELECT set_config('role', :role, true), set_config('app.user_id', :user_id, true)")

Registered = Event[UserRegistered]
Effect = Callable[[Transaction, Sequence[Registered]], Awaitable[None]]


async def insert_one(tx: Transaction, event: Registered) -> None:
    data = event.data
    await tx.execute(
        _ONE, {"id": data.user_id, "name": data.full_name, "zone": data.timezone, "language": data.language}
    )


async def insert_many(tx: Transaction, events: Sequence[Registered]) -> None:
    await tx.execute(
        _MANY,
        {
            "ids": [event.data.user_id for event in events],
            "names": [event.data.full_name for event in events],
            "zones": [event.data.timezone for event in events],
            "languages": [event.data.language for event in events],
        },
    )


async def each_in_a_loop(tx: Transaction, events: Sequence[Registered]) -> None:
    for event in events:
        await tx.execute(_BECOME, {"role": "profile_user", "user_id": str(event.user_id)})
        await insert_one(tx, event)
    await tx.execute(_BECOME, {"role": "profile_system", "user_id": ""})


async def straight_line(
    database: Database, settings: KafkaSettings, topic: str, effect: Effect, *, events: int
) -> float:
    """Fetch, one transaction, commit the offsets: no lanes, no parking, no error handling."""
    name = f"bench-{uuid4().hex}"
    consumer = AIOKafkaConsumer(
        topic,
        **kafka.connection(settings),
        group_id=kafka.own_name(settings, SERVICE, name),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        done, began = 0, 0.0
        while done < events:
            fetched = await consumer.getmany(timeout_ms=200, max_records=FETCH)
            records = [record for part in fetched.values() for record in part]
            if records and not began:
                began = time.perf_counter()
            if records:
                await _one_batch(database, name, records, effect)
                await consumer.commit({tp: part[-1].offset + 1 for tp, part in fetched.items() if part})
            done += len(records)
        return done / (time.perf_counter() - began)
    finally:
        await consumer.stop()


async def _one_batch(database: Database, name: str, records: list[ConsumerRecord], effect: Effect) -> None:
    events: list[Registered] = [parse_event(record, BY_STEM) for record in records]
    async with database.transaction(as_user=Context.SYSTEM) as tx:
        [claimed] = await ask(tx, inbox.claiming(consumer=name, event_ids=[event.id for event in events]))
        fresh = inbox.claimed(claimed)
        await tx.execute(_SEEN, {"consumer": name, "most": 1_000})
        await effect(tx, [event for event in events if event.id in fresh])


async def runtime(
    database: Database, settings: KafkaSettings, handlers: Handlers, root: asyncpg.Connection, *, events: int
) -> float:
    consumer = Consumer(database, settings, handlers, name=f"bench-{uuid4().hex}")
    timed = _timed(consumer)
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    try:
        while (done := await root.fetchval("SELECT count(*) FROM profile.profiles")) < events:  # noqa: ASYNC110 - the database knows
            await asyncio.sleep(0.02)
        return done / (time.perf_counter() - timed[0])
    finally:
        stop.set()
        await task


def _timed(consumer: Consumer) -> list[float]:
    """Knows when the first records came, so that both sides are measured from there."""
    began: list[float] = []
    take = consumer._intake._take  # noqa: SLF001 - nothing else is told when records come

    def timed(fetched: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        if fetched and not began:
            began.append(time.perf_counter())
        take(fetched)

    consumer._intake._take = timed  # noqa: SLF001 - the same
    return began


async def only_count(settings: KafkaSettings, topic: str) -> float:
    """From the first records on, without counting them: they were there before the clock began."""
    consumer = AIOKafkaConsumer(
        topic,
        **kafka.connection(settings),
        group_id=kafka.own_name(settings, SERVICE, f"bench-{uuid4().hex}"),
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        first = 0
        while not first:
            fetched = await consumer.getmany(timeout_ms=200, max_records=FETCH)
            first = sum(map(len, fetched.values()))
        done, began = 0, time.perf_counter()
        while first + done < EVENTS:
            fetched = await consumer.getmany(timeout_ms=200, max_records=FETCH)
            done += sum(map(len, fetched.values()))
        return done / (time.perf_counter() - began)
    finally:
        await consumer.stop()


def one_by_one() -> Handlers:
    handlers = Handlers(SERVICE)
    handlers.each(UserRegistered, insert_one)
    return handlers


def set_based() -> Handlers:
    handlers = Handlers(SERVICE)
    handlers.batch(UserRegistered, insert_many)
    return handlers


async def fill(settings: KafkaSettings, topic: str) -> None:
    producer = AIOKafkaProducer(**kafka.connection(settings))
    await producer.start()
    try:
        sent = []
        for _ in range(EVENTS):
            event = user_registered(UUID(int=uuid4().int))
            headers = [(name, text.encode()) for name, text in encode(event, trace={}).items()]
            value = event.data.model_dump_json().encode()
            sent.append(await producer.send(topic, value, key=event.key.encode(), headers=headers))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def main() -> None:
    rates: dict[str, list[float]] = {}
    async with servers() as (installation, streams), superuser(installation) as root:
        settings = installation.kafka_settings(SERVICE)
        topic = streams.name_of(UserRegistered.topic)
        await fill(installation.kafka_settings("auth"), topic)
        database = worker_database(installation, SERVICE)
        runs: dict[str, Callable[[], Awaitable[float]]] = {
            "getmany that only counts": lambda: only_count(settings, topic),
            "loop, one by one": lambda: straight_line(
                database, settings, topic, each_in_a_loop, events=ONE_BY_ONE
            ),
            "runtime, one by one": lambda: runtime(database, settings, one_by_one(), root, events=ONE_BY_ONE),
            "loop, set-based": lambda: straight_line(database, settings, topic, insert_many, events=EVENTS),
            "runtime, set-based": lambda: runtime(database, settings, set_based(), root, events=EVENTS),
        }
        for _ in range(ROUNDS):
            for name, run in runs.items():
                await root.execute("DELETE FROM profile.profiles; DELETE FROM profile.inbox")
                rates.setdefault(name, []).append(await run())
        await database.close()
    compared = {"runtime, one by one": "loop, one by one", "runtime, set-based": "loop, set-based"}
    report(
        "consumer",
        f"Consumer runtime against a straight-line loop: {EVENTS:,} events through PgBouncer",
        [
            {
                "who": name,
                "events/s (median)": median(values),
                "slowest": min(values),
                "fastest": max(values),
                "to its loop": _ratio(values, rates[compared[name]]) if name in compared else "",
                "to getmany": _ratio(values, rates["getmany that only counts"]),
                "goal": _goal(name, values, rates),
            }
            for name, values in rates.items()
        ],
        goal="runtime at least 0.8 of its loop; set-based at least 0.1 of getmany",
        rounds=ROUNDS,
    )


def _goal(name: str, values: list[float], rates: dict[str, list[float]]) -> str:
    if not name.startswith("runtime"):
        return ""
    to_loop = at_least(_ratio(values, rates[name.replace("runtime", "loop")]), 0.8)
    if "set-based" not in name:
        return to_loop
    return f"{to_loop}; {at_least(_ratio(values, rates['getmany that only counts']), 0.1)}"


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return round(median([a / b for a, b in zip(ours, theirs, strict=True)]), 3)


if __name__ == "__main__":
    uvloop.run(main())
