import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from redis.asyncio import Redis

from common.contracts.auth import UserRegistered
from common.contracts.topics import USERS
from common.errors import unavailable
from common.ids import new_id
from common.messaging import headers
from common.messaging.channel import Channel, ChannelError, Outgoing
from common.messaging.hints import Hints, Wakeups
from common.messaging.outbox import record
from common.messaging.relay import Relay
from common.postgres.context import AsUser, Context
from common.postgres.engine import Database, Transaction
from common.postgres.trip import Step
from common.settings import KafkaSettings
from tests.support.databases import Databases
from tests.support.factories import user_registered
from tests.support.installation import Installation
from tests.support.messaging import running
from tests.support.outbox import QUICK, is_empty, put, record_at_once, sent, waiting
from tests.support.streams import Streams
from tests.support.waiting import eventually, throughout


class Narrow(Channel):
    """Takes two messages at once and no more."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)
        self.taken: list[int] = []

    async def open(self) -> None: ...

    async def send(self, messages: Sequence[Outgoing]) -> None:
        if len(messages) > 2:
            raise ChannelError("too much")
        self.taken.append(len(messages))


class Refusing(Channel):
    refused = 0

    async def open(self) -> None:
        pass

    async def send(self, messages: Sequence[Outgoing]) -> None:
        self.refused += 1
        raise ChannelError("away")


class Late(Database):
    """The real database, which keeps everybody waiting while it is `late`."""

    late = True
    asked = 0

    async def begin(self, as_user: AsUser, first: Sequence[Step] = ()) -> Any:
        self.asked += 1
        if self.late:
            raise unavailable("database.timeout", "The database took too long.")
        return await super().begin(as_user, first)


class TestRelay:
    async def test_sends_what_a_consumer_can_read(
        self, auth: Database, new_relay: Callable[..., Relay], streams: Streams, superuser: asyncpg.Connection
    ):
        event = replace(user_registered(), trace={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
        async with auth.transaction(as_user=Context.SYSTEM) as tx:
            await record(tx, event)

        async with running(new_relay()):
            await eventually(lambda: is_empty(superuser))

        (message,) = await streams.consume_all(USERS)
        assert headers.parse_event(message, {"user.registered.v1": UserRegistered}) == event

    async def test_outlives_a_database_that_takes_too_long(
        self,
        auth: Database,
        new_relay: Callable[..., Relay],
        installation: Installation,
        superuser: asyncpg.Connection,
    ):
        await put(auth, 1, key=new_id())
        database = Late(
            installation.database_settings("auth", "worker"), service="auth", application_name="late"
        )

        async with running(new_relay(database)):
            await eventually(lambda: database.asked > 2)
            database.late = False
            await eventually(lambda: is_empty(superuser))
        await database.close()

    async def test_keeps_the_order_of_commits_of_a_key(
        self, auth: Database, new_relay: Callable[..., Relay], streams: Streams, superuser: asyncpg.Connection
    ):
        keys = [new_id() for _ in range(3)]
        await superuser.executemany("insert into auth.counters values ($1, 0)", [(str(key),) for key in keys])

        async def write(number: int) -> None:
            for turn in range(8):
                key = keys[(number + turn) % len(keys)]
                await auth.in_transaction(Context.SYSTEM, lambda tx, key=key: _count_up(tx, key))

        async with running(new_relay()):
            await asyncio.gather(*(write(number) for number in range(16)))
            await eventually(lambda: is_empty(superuser))

        found = await sent(streams)
        assert {key: sorted(versions) == versions for key, versions in found.items()} == {
            str(key): True for key in keys
        }
        assert sum(map(len, found.values())) == 16 * 8

    async def test_sends_in_the_order_of_positions_however_rows_lie(
        self, auth: Database, new_relay: Callable[..., Relay], streams: Streams, superuser: asyncpg.Connection
    ):
        """Both within a batch and from one batch to the next: an update moves a row behind later ones."""
        key = new_id()
        await put(auth, 1, 2, 3, 4, 5, key=key)
        await superuser.execute("update auth.outbox set type = type where payload->>'version' in ('1', '2')")

        async with running(new_relay(settings=replace(QUICK, rows=2))):
            await eventually(lambda: is_empty(superuser))

        assert await sent(streams) == {str(key): [1, 2, 3, 4, 5]}

    async def test_a_late_commit_is_neither_left_out_nor_overtaken(
        self, auth: Database, new_relay: Callable[..., Relay], streams: Streams, superuser: asyncpg.Connection
    ):
        late, other = new_id(), new_id()
        relay = new_relay()
        async with running(relay):
            async with auth.transaction(as_user=Context.SYSTEM) as slow:
                await record_at_once(slow, user_registered(late, version=1))
                await superuser.execute(
                    "select setval(pg_get_serial_sequence('auth.outbox', 'position'),"
                    " (select last_value + 50000 from auth.outbox_position_seq))"
                )
                await put(auth, 1, key=other)
                await eventually(lambda: is_empty(superuser))
            await put(auth, 2, key=late)
            await eventually(lambda: is_empty(superuser))

        assert await sent(streams) == {str(other): [1], str(late): [1, 2]}

    async def test_waits_while_a_batch_of_another_leader_is_open(
        self, auth: Database, new_relay: Callable[..., Relay], superuser: asyncpg.Connection
    ):
        await put(auth, 1, key=new_id())
        lock = "hashtextextended('quartet/relay/auth/0', 0)"

        async with running(new_relay()) as (task,):
            async with auth.transaction(as_user=Context.SYSTEM) as paused:
                await paused.execute(sa.text(f"SELECT pg_advisory_xact_lock({lock})"))
                before = await waiting(superuser)
                await put(auth, 1, key=new_id())
                await throughout(lambda: _is(waiting(superuser), before + 1), seconds=0.4)
            await eventually(lambda: is_empty(superuser))
            assert not task.done()

    async def test_only_the_holder_of_the_lease_sends(
        self, auth: Database, new_relay: Callable[..., Relay], superuser: asyncpg.Connection
    ):
        holder = new_id()
        await superuser.execute(
            "insert into auth.relay_lease values (0, $1, now() + interval '1 hour', 1)", holder
        )
        await put(auth, 1, key=new_id())

        async with running(new_relay(), new_relay()):
            await throughout(lambda: _holds(superuser, holder), seconds=0.8)
            assert await waiting(superuser) == 1
            await superuser.execute("update auth.relay_lease set until = now()")
            await eventually(lambda: is_empty(superuser))

    async def test_a_leader_that_lost_its_lease_unawares_sends_nothing(
        self, auth: Database, new_relay: Callable[..., Relay], superuser: asyncpg.Connection
    ):
        relay = new_relay(settings=replace(QUICK, lease_seconds=60.0, renew_seconds=60.0))

        async with running(relay):
            await put(auth, 1, key=new_id())
            await eventually(lambda: is_empty(superuser))
            await superuser.execute("update auth.relay_lease set holder = $1", new_id())
            await put(auth, 1, key=new_id())
            await eventually(lambda: not relay.lease.held)
            assert await waiting(superuser) == 1

    async def test_ends_its_transaction_before_it_waits_for_kafka(
        self,
        auth: Database,
        kafka: KafkaSettings,
        new_relay: Callable[..., Relay],
        superuser: asyncpg.Connection,
    ):
        relay = new_relay()
        relay.channel = Refusing(kafka, transactional_id="unused", patience_seconds=1.0)
        await put(auth, 1, key=new_id())

        async with running(relay):
            await eventually(lambda: relay.channel.refused > 2)
            await throughout(lambda: _nobody_idles(superuser), seconds=0.6)

        assert await waiting(superuser) == 1

    async def test_takes_less_at_once_when_a_batch_is_too_much(
        self,
        auth: Database,
        kafka: KafkaSettings,
        new_relay: Callable[..., Relay],
        superuser: asyncpg.Connection,
    ):
        relay = new_relay()
        relay.channel = Narrow(kafka, transactional_id="unused", patience_seconds=1.0)
        await put(auth, *range(1, 9), key=new_id())

        async with running(relay):
            await eventually(lambda: is_empty(superuser))

        assert max(relay.channel.taken) <= 2

    async def test_goes_on_when_kafka_is_back(
        self,
        auth: Database,
        kafka: KafkaSettings,
        free_port: int,
        new_relay: Callable[..., Relay],
        superuser: asyncpg.Connection,
    ):
        nowhere = kafka.model_copy(update={"bootstrap": f"127.0.0.1:{free_port}"})
        relay = new_relay(settings=replace(QUICK, kafka_seconds=1.0))
        back, relay.channel = relay.channel, Channel(nowhere, transactional_id="unused", patience_seconds=1.0)
        await put(auth, 1, key=new_id())

        async with running(relay):
            await eventually(lambda: relay.lease.held)
            await throughout(lambda: _is(waiting(superuser), 1), seconds=0.3)
            relay.channel = back
            await eventually(lambda: is_empty(superuser))

    async def test_a_hint_is_quicker_than_the_poll(
        self,
        databases: Databases,
        new_relay: Callable[..., Relay],
        redis: Redis,
        installation: Installation,
        superuser: asyncpg.Connection,
        auth: Database,
    ):
        prefix = installation.redis_settings("auth").prefix
        hints, wakeups = Hints(redis, prefix), Wakeups(redis, prefix, ["outbox"])
        api = databases("auth", "api", on_commit=hints.publish)
        relay = new_relay(wakeups=wakeups, settings=replace(QUICK, poll_seconds=30.0))
        user_id = new_id()

        async with running(relay, hints, wakeups):
            await eventually(lambda: relay.lease.held and not wakeups.away)
            async with api.transaction(as_user=user_id) as tx:
                await record(tx, user_registered(user_id))
            await eventually(lambda: is_empty(superuser), within=5.0)

    async def test_does_not_rest_after_a_batch_that_its_bytes_bound(
        self, auth: Database, new_relay: Callable[..., Relay], superuser: asyncpg.Connection
    ):
        await put(auth, *range(1, 41), key=new_id())
        settings = replace(QUICK, bytes=1_000, poll_seconds=600.0, fastest_poll_seconds=600.0)

        async with running(new_relay(settings=settings)):
            await eventually(lambda: is_empty(superuser))

    async def test_a_stopped_leader_is_followed_at_once(
        self, auth: Database, new_relay: Callable[..., Relay], superuser: asyncpg.Connection
    ):
        unhurried = replace(QUICK, lease_seconds=60.0, renew_seconds=0.2)
        async with running(new_relay(settings=unhurried)):
            await put(auth, 1, key=new_id())
            await eventually(lambda: is_empty(superuser))

        async with running(new_relay(settings=unhurried)):
            await put(auth, 1, key=new_id())
            await eventually(lambda: is_empty(superuser), within=5.0)


async def _count_up(tx: Transaction, key: UUID) -> None:
    counted = await tx.execute(
        sa.text("UPDATE counters SET version = version + 1 WHERE key = :key RETURNING version"),
        {"key": str(key)},
    )
    await record(tx, user_registered(key, version=counted.scalar_one()))


async def _is(number: object, wanted: int) -> bool:
    return await number == wanted  # type: ignore[misc] - any awaitable


async def _holds(superuser: asyncpg.Connection, holder: UUID) -> bool:
    return await superuser.fetchval("select holder = $1 from auth.relay_lease", holder)


async def _nobody_idles(superuser: asyncpg.Connection) -> bool:
    return not await superuser.fetchval(
        "select exists (select from pg_stat_activity where datname = current_database()"
        " and state = 'idle in transaction' and state_change < clock_timestamp() - interval '0.2 s')"
    )
