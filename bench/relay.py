"""The relay, fenced, against a bare producer of the same payloads in batches of the same size; and idle."""

import asyncio
import time

import uvloop
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from bench._report import at_least, at_most, median, report
from bench._servers import servers, superuser, worker_database
from common.messaging import kafka
from common.messaging.headers import encode
from common.messaging.hints import Wakeups
from common.messaging.relay import Relay
from common.settings import KafkaSettings
from tests.support.factories import user_registered

EVENTS = 30_000
BATCH = 5_000
ROUNDS = 5
IDLE_SECONDS = 30.0

_FILL = """
    INSERT INTO auth.outbox (id, aggregatetype, aggregateid, type, topic, payload, headers)
    SELECT gen_random_uuid(), 'user', 'user-' || n % 1000, $1, $2, $3::json, $4::jsonb
    FROM generate_series(1, $5::int) n
"""


async def bare(settings: KafkaSettings, topic: str, value: bytes, headers: list[tuple[str, bytes]]) -> float:
    """`send` for each event and one wait for each batch: what one writes without an outbox."""
    producer = AIOKafkaProducer(**kafka.connection(settings), enable_idempotence=True, max_batch_size=524_288)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key=b"warm", headers=headers)
        began = time.perf_counter()
        for first in range(0, EVENTS, BATCH):
            sent = [
                await producer.send(topic, value, key=b"user-%d" % (n % 1000), headers=headers)
                for n in range(first, first + BATCH)
            ]
            await asyncio.gather(*sent)
        return EVENTS / (time.perf_counter() - began)
    finally:
        await producer.stop()


async def idle() -> float:
    """Percent of a core that this process takes, in which nothing is but the relay and what wakes it."""
    began, spent = time.perf_counter(), time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    return 100 * (time.process_time() - spent) / (time.perf_counter() - began)


async def main() -> None:
    event = user_registered()
    headers = [(name, content.encode()) for name, content in encode(event, trace={}).items()]
    value = event.data.model_dump_json()
    rates: dict[str, list[float]] = {"bare producer": [], "relay": []}
    async with servers() as (installation, streams), superuser(installation) as root:
        settings = installation.kafka_settings("auth")
        topic = streams.name_of(event.data.topic)
        database = worker_database(installation, "auth")
        redis: Redis = Redis.from_url(
            installation.redis_settings("auth").url.get_secret_value(),
            ssl_ca_certs=str(installation.stack.ca_file),
        )
        wakeups = Wakeups(redis, installation.redis_settings("auth").prefix, ("outbox",))
        relay = Relay(database, settings, wakeups, service="auth")
        stop = asyncio.Event()
        tasks = [asyncio.create_task(wakeups.run(stop)), asyncio.create_task(relay.run(stop))]

        async def fill(rows: int) -> None:
            await root.execute(
                _FILL, event.type, event.data.topic.name, value, _json(headers), rows, timeout=120
            )
            wakeups.wake(("outbox",))

        async def emptied() -> None:
            # the end is what is measured: looking 50 times a second costs neither side much
            while await root.fetchval("SELECT EXISTS (SELECT FROM auth.outbox)"):  # noqa: ASYNC110 - the database knows
                await asyncio.sleep(0.02)

        try:
            await fill(10)
            await emptied()
            resting = await idle()
            for _ in range(ROUNDS):
                rates["bare producer"].append(await bare(settings, topic, value.encode(), headers))
                await fill(EVENTS)
                began = time.perf_counter()
                await emptied()
                rates["relay"].append(EVENTS / (time.perf_counter() - began))
                await streams.empty()
        finally:
            stop.set()
            await asyncio.gather(*tasks)
            await database.close()
            await redis.aclose()
    ratios = [ours / theirs for ours, theirs in zip(rates["relay"], rates["bare producer"], strict=True)]
    report(
        "relay",
        f"Relay, fenced, against a bare producer: {EVENTS:,} events, batches of {BATCH:,}",
        [
            {
                "who": who,
                "events/s (median)": median(values),
                "slowest": min(values),
                "fastest": max(values),
                "ratio": median(ratios) if who == "relay" else 1.0,
                "goal": at_least(median(ratios), 0.7) if who == "relay" else "",
            }
            for who, values in rates.items()
        ],
        goal="relay at least 0.7 of the bare producer; idle under 1 % of a core",
        idle_percent_of_a_core=round(resting, 2),
        ratios=[round(ratio, 3) for ratio in ratios],
        rounds=ROUNDS,
        payload_bytes=len(value),
    )
    print(f"idle: {resting:.2f} % of a core, {at_most(resting, 1)}")


def _json(headers: list[tuple[str, bytes]]) -> str:
    import json

    return json.dumps({name: content.decode() for name, content in headers})


if __name__ == "__main__":
    uvloop.run(main())
