"""A transaction somewhere keeps rows that are long deleted: the relay must not read past them each time."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg

from common.ids import new_id
from common.messaging import relay as statements
from common.messaging.channel import Channel, Outgoing
from common.messaging.relay import Relay, RelaySettings
from common.postgres.context import Context
from common.postgres.engine import Database
from common.settings import KafkaSettings
from tests.support.factories import user_registered
from tests.support.installation import Installation
from tests.support.messaging import running
from tests.support.outbox import is_empty, put, record_at_once
from tests.support.waiting import eventually, throughout

ROWS = 20_000
SWEEPING = RelaySettings(lease_seconds=5.0, renew_seconds=1.0, sweep_seconds=0.1)
FEW_PAGES = 20

_FILL = """
    INSERT INTO auth.outbox (id, aggregatetype, aggregateid, type, topic, payload, headers)
    SELECT gen_random_uuid(), 'user', 'user-' || n, 'user.registered.v1', 'auth.user.v1', $1::json, '{}'
    FROM generate_series(1, $2::int) n
"""
_PAYLOAD = json.dumps({"padding": "x" * 200})


class Taking(Channel):
    """Kafka that takes everything at once."""

    taken = 0

    async def open(self) -> None: ...

    async def send(self, messages: Sequence[Outgoing]) -> None:
        self.taken += len(messages)


class TestAnOldSnapshot:
    async def test_makes_the_relay_read_no_more_than_none(
        self,
        auth: Database,
        kafka: KafkaSettings,
        new_relay: Callable[..., Relay],
        superuser: asyncpg.Connection,
        installation: Installation,
    ):
        relay = new_relay(settings=SWEEPING)
        relay.channel = Taking(kafka, transactional_id="unused", patience_seconds=1.0)
        async with old_snapshot(installation), running(relay):
            await superuser.execute(_FILL, _PAYLOAD, ROWS)
            await eventually(lambda: is_empty(superuser))
            last = relay._floor.sent_up_to
            await eventually(lambda: relay._floor.position == last)

            kept = await pages(superuser, statements._READ, 5_000, 4_194_304, 0)
            read = await pages(superuser, statements._READ, 5_000, 4_194_304, relay._floor.position)
            asked = await pages(superuser, statements._PROBE, relay._floor.position)
            sweep = str(statements._SWEEP).replace(":floor", "$1")
            swept = await pages(superuser, sweep, relay._floor.position)

        assert relay.channel.taken == ROWS
        assert kept > 500, "nothing was kept: there was no old snapshot"
        assert max(read, asked, swept) < FEW_PAGES, (kept, read, asked, swept)

    async def test_hides_no_row_whose_commit_is_late(
        self,
        auth: Database,
        kafka: KafkaSettings,
        new_relay: Callable[..., Relay],
        superuser: asyncpg.Connection,
    ):
        relay = new_relay(settings=SWEEPING)
        relay.channel = Taking(kafka, transactional_id="unused", patience_seconds=1.0)
        async with running(relay):
            async with auth.transaction(as_user=Context.SYSTEM) as late:
                await record_at_once(late, user_registered())
                await put(auth, 1, key=new_id())
                await eventually(lambda: relay.channel.taken == 1)
                await throughout(lambda: relay._floor.position == 0)

            await eventually(lambda: relay.channel.taken == 2)
            await eventually(lambda: relay._floor.position == relay._floor.sent_up_to)
        assert await is_empty(superuser)


@asynccontextmanager
async def old_snapshot(installation: Installation) -> AsyncIterator[None]:
    """Of a transaction that reads, as a report or a backup does."""
    connection = await asyncpg.connect(installation.superuser_url())
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.fetchval("SELECT 1")
            yield
    finally:
        await connection.close()


async def pages(superuser: asyncpg.Connection, statement: str, *asked: object) -> int:
    """How many pages the server looks at to answer."""
    async with superuser.transaction():
        await superuser.execute("SET LOCAL search_path = auth")
        told = await superuser.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *asked)
    plan = json.loads(told)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
