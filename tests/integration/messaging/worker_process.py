"""A relay or a consumer in a process of its own, so that it can be stopped, paused and killed."""

import asyncio
import logging
import os
import signal
import sys

import structlog
from redis.asyncio import Redis

from common.messaging.consumer import Consumer, ConsumerSettings
from common.messaging.hints import Wakeups
from common.messaging.relay import Relay, RelaySettings
from common.postgres.engine import Database
from common.settings import DatabaseSettings, KafkaSettings
from tests.support.messaging import Part, each

PAUSED_SOON = RelaySettings(rows=20, lease_seconds=1.0, renew_seconds=0.3)
MISSED_SOON = ConsumerSettings(session_seconds=6.0, heartbeat_seconds=0.5)


def part_of(kind: str, name: str, database: Database) -> Part:
    kafka = KafkaSettings.model_validate(settings("KAFKA_"))
    if kind == "consumer":
        return Consumer(database, kafka, each(), name=name, settings=MISSED_SOON)
    return Relay(database, kafka, Wakeups(Redis(), "", ["outbox"]), service="auth", settings=PAUSED_SOON)


def settings(prefix: str) -> dict[str, str]:
    """Of one group, from an environment as a service's worker has it."""
    found = {name: value for name, value in os.environ.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix).lower(): value for name, value in found.items()}


async def main(kind: str, name: str) -> None:
    service = "auth" if kind == "relay" else "profile"
    database = Database(
        DatabaseSettings.model_validate(settings("DATABASE_")),
        service=service,
        application_name=f"{service}-{kind}",
    )
    part = part_of(kind, name, database)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print("running", flush=True)  # noqa: T201 - what the test waits for
    await part.run(stop)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
