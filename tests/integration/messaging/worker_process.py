"""A relay or a consumer in a process of its own, so that it can be stopped, paused and killed."""

import asyncio
import signal
import sys

from redis.asyncio import Redis

from common.messaging.consumer import Consumer, ConsumerSettings
from common.messaging.hints import Wakeups
from common.messaging.relay import Relay, RelaySettings
from common.postgres.engine import Database
from tests.support.installation import Installation, load_stack, worker_name
from tests.support.messaging import Part, each

PAUSED_SOON = RelaySettings(rows=20, lease_seconds=1.0, renew_seconds=0.3)
MISSED_SOON = ConsumerSettings(session_seconds=6.0, heartbeat_seconds=0.5)


def relay(installation: Installation, database: Database) -> Part:
    wakeups = Wakeups(Redis(), "", ["outbox"])
    return Relay(database, installation.kafka_settings("auth"), wakeups, service="auth", settings=PAUSED_SOON)


def consumer(installation: Installation, database: Database, name: str) -> Part:
    kafka = installation.kafka_settings("profile")
    return Consumer(database, kafka, each(), name=name, settings=MISSED_SOON)


async def main(kind: str, name: str) -> None:
    installation = Installation(load_stack(), worker_name())
    service = "auth" if kind == "relay" else "profile"
    settings = installation.database_settings(service, "worker")
    database = Database(settings, service=service, application_name=f"{service}-{kind}")
    part = relay(installation, database) if kind == "relay" else consumer(installation, database, name)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("running", flush=True)  # noqa: T201 - what the test waits for
    await part.run(stop)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
