import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.contracts.topics import USERS
from common.errors import unavailable
from common.ids import new_id
from common.messaging.backoff import Backoff
from common.messaging.consumer import Consumer, ConsumerSettings
from common.messaging.handlers import Handlers
from common.messaging.headers import encode
from common.messaging.intake import IntakeSettings
from common.messaging.lanes import LaneSettings
from common.postgres.engine import Database, Transaction
from common.settings import KafkaSettings
from tests.support.databases import Databases
from tests.support.factories import user_registered
from tests.support.messaging import batch, each, effect, effects, running, versions
from tests.support.streams import Streams
from tests.support.waiting import eventually, happens, throughout

QUICK_RETRY = Backoff(first_seconds=0.02, most_seconds=0.05)
QUICK = ConsumerSettings(
    intake=IntakeSettings(lane=LaneSettings(attempts=3, retry=QUICK_RETRY, database=QUICK_RETRY)),
    session_seconds=6.0,
    heartbeat_seconds=0.3,
    drain_seconds=0.3,
    figures_seconds=0.2,
)

NewConsumer = Callable[..., Consumer]


@pytest.fixture
def kafka(kafka_settings: Callable[[str], KafkaSettings]) -> KafkaSettings:
    return kafka_settings("profile")


@pytest.fixture
def new_consumer(profile: Database, kafka: KafkaSettings) -> NewConsumer:
    """All of one test are of one group, which nobody used before."""
    name = f"test-{uuid4().hex}"

    def make(
        handlers: Handlers, settings: ConsumerSettings = QUICK, database: Database = profile
    ) -> Consumer:
        return Consumer(database, kafka, handlers, name=name, settings=settings)

    return make


def poisoned_by(bad: UUID) -> Callable[..., Any]:
    async def handler(tx: Transaction, event: Event[UserRegistered]) -> None:
        await effect(tx, event)
        if event.id == bad:
            raise KeyError("what it says")

    return handler


async def has(superuser: asyncpg.Connection, wanted: dict[Any, list[int]]) -> bool:
    assert await versions(superuser) == {str(key): numbers for key, numbers in wanted.items()}
    return True


async def parked(superuser: asyncpg.Connection) -> list[asyncpg.Record]:
    return await superuser.fetch("select * from profile.parked_messages order by partition, record_offset")


async def parked_keys(superuser: asyncpg.Connection) -> list[asyncpg.Record]:
    return await superuser.fetch("select * from profile.parked_keys")


class TestConsumer:
    @pytest.mark.parametrize("handlers", [each, batch])
    async def test_a_message_that_comes_twice_has_one_effect(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection, handlers: Any
    ):
        event = user_registered()
        await streams.send(event)

        async with running(new_consumer(handlers())):
            await eventually(lambda: has(superuser, {event.key: [1]}))
            await streams.send(event)
            await streams.send(event)
            await streams.send(user_registered(event.data.user_id, version=2))
            await eventually(lambda: has(superuser, {event.key: [1, 2]}))

    async def test_commits_what_is_done_and_goes_on_there(
        self, new_consumer: NewConsumer, kafka: KafkaSettings, streams: Streams, superuser: asyncpg.Connection
    ):
        consumer = new_consumer(batch())
        group = f"{kafka.installation}profile.{consumer.name}"
        events = [user_registered() for _ in range(20)]
        for event in events:
            await streams.send(event)

        async with running(consumer):
            await eventually(lambda: has(superuser, {event.key: [1] for event in events}))

        assert sum((await streams.committed(group)).values()) > 0
        await superuser.execute("delete from profile.inbox")
        more = user_registered()
        await streams.send(more)
        async with running(new_consumer(batch())):
            await eventually(lambda: has(superuser, {event.key: [1] for event in [*events, more]}))

    async def test_keeps_the_order_of_a_key_in_every_lane(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        keys = [new_id() for _ in range(10)]
        for version in range(1, 16):
            for key in keys:
                await streams.send(user_registered(key, version=version))

        async with running(new_consumer(each())):
            await eventually(lambda: has(superuser, {key: list(range(1, 16)) for key in keys}))

    async def test_types_that_nobody_wants_pass_by(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        event = user_registered()
        headers = encode(event, trace={}) | {"ce_type": "user.renamed"}
        await streams.produce(USERS, event.key, headers, "{}")
        await streams.send(event)

        async with running(new_consumer(each())):
            await eventually(lambda: has(superuser, {event.key: [1]}))

        assert await parked(superuser) == []

    async def test_tells_how_far_it_is(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        blocked = asyncio.Event()

        async def wait(tx: Transaction, event: Event[UserRegistered]) -> None:
            await blocked.wait()

        consumer = new_consumer(each(wait))
        await streams.send(user_registered())

        async with running(consumer):
            await eventually(lambda: consumer.lag == 1)
            blocked.set()
            await eventually(lambda: consumer.lag == 0 and len(consumer.progress) == 3)

    async def test_a_crash_ends_it_with_an_error(self, new_consumer: NewConsumer, streams: Streams):
        consumer = new_consumer(each())

        async def crash(_: object) -> None:
            raise AssertionError("a bug")

        consumer.delivery.together = crash  # type: ignore[method-assign] - broken on purpose
        consumer.delivery.park = lambda *_, **__: crash(None)  # type: ignore[method-assign] - broken on purpose
        await streams.send(user_registered())

        with pytest.raises(ExceptionGroup):
            async with asyncio.timeout(10):
                await consumer.run(asyncio.Event())


class TestParking:
    async def test_a_poison_message_stops_its_key_and_nothing_else(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        bad, good = user_registered(), user_registered()
        same_partition = {"partition": 0}
        for event in (bad, good, user_registered(bad.data.user_id, version=2), replace(good, id=new_id())):
            headers = encode(event, trace={})
            await streams.produce(USERS, event.key, headers, event.data.model_dump_json(), **same_partition)

        async with running(new_consumer(each(poisoned_by(bad.id)))):
            await eventually(lambda: has(superuser, {good.key: [1, 1]}))
            rows = await eventually(lambda: _when(parked(superuser), 2))

        assert [(row["key"], row["kind"], row["error_class"]) for row in rows] == [
            (bad.key, "permanent", "KeyError"),
            (bad.key, "permanent", "KeyParked"),
        ]
        assert rows[0]["event_id"] == bad.id
        assert rows[0]["user_id"] == bad.user_id
        assert "what it says" not in rows[0]["error_detail"]
        (key,) = await parked_keys(superuser)
        assert (key["topic"], key["key"], key["attempts"]) == ("auth.user.v1", bad.key, 1)

    async def test_a_handler_that_is_cancelled_from_inside_stops_its_key_and_no_lane(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        bad, good = user_registered(), user_registered()

        async def handler(tx: Transaction, event: Event[UserRegistered]) -> None:
            await effect(tx, event)
            if event.id == bad.id:
                raise asyncio.CancelledError

        await streams.send(bad)
        await streams.send(good)

        async with running(new_consumer(each(handler))):
            await eventually(lambda: has(superuser, {good.key: [1]}))
            (row,) = await eventually(lambda: _when(parked(superuser), 1))

        assert (row["event_id"], row["kind"]) == (bad.id, "permanent")
        assert "cancelled from inside" in row["error_detail"]

    async def test_a_batch_of_many_loses_only_the_one_that_fails(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        events = [user_registered() for _ in range(30)]
        bad = events[11]

        async def handler(tx: Transaction, batch: Any) -> None:
            await effects(tx, batch)
            if any(event.id == bad.id for event in batch):
                raise KeyError

        for event in events:
            await streams.send(event)

        async with running(new_consumer(batch(handler))):
            await eventually(lambda: has(superuser, {e.key: [1] for e in events if e is not bad}))
            await eventually(lambda: _when(parked(superuser), 1))

    async def test_what_passes_by_itself_is_tried_again(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        attempts: list[UUID] = []

        async def handler(tx: Transaction, event: Event[UserRegistered]) -> None:
            await effect(tx, event)
            attempts.append(event.id)
            if len(attempts) < 3:
                raise unavailable("provider.away", "not now")

        event = user_registered()
        await streams.send(event)

        async with running(new_consumer(each(handler))):
            await eventually(lambda: has(superuser, {event.key: [1]}))

        assert await parked_keys(superuser) == []

    async def test_what_does_not_pass_is_parked_and_drains_by_itself_later(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        back = asyncio.Event()

        async def handler(tx: Transaction, event: Event[UserRegistered]) -> None:
            await effect(tx, event)
            if not back.is_set():
                raise unavailable("provider.away", "not now")

        event = user_registered()
        await streams.send(event)

        async with running(new_consumer(each(handler))):
            (key,) = await eventually(lambda: parked_keys(superuser))
            assert (key["kind"], key["attempts"]) == ("transient", 3)
            await streams.send(user_registered(event.data.user_id, version=2))
            await eventually(lambda: _when(parked(superuser), 2))
            back.set()
            await eventually(lambda: has(superuser, {event.key: [1, 2]}))
            await eventually(lambda: _when(parked_keys(superuser), 0))

    async def test_headers_that_nobody_expects_are_kept_and_stop_one_key(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        broken, good = user_registered(), user_registered()
        headers = [*encode(broken, trace={}).items(), ("a\x00b", b"x"), ("nothing", None)]
        await streams.produce(USERS, broken.key, headers, b"{")
        await streams.send(good)

        async with running(new_consumer(each())):
            await eventually(lambda: has(superuser, {good.key: [1]}))
            (row,) = await eventually(lambda: _when(parked(superuser), 1))

        assert row["key"] == broken.key

    async def test_an_unreadable_payload_or_header_stops_its_key_with_its_own_id(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection
    ):
        broken, strange, good = user_registered(), user_registered(), user_registered()
        await streams.produce(USERS, broken.key, encode(broken, trace={}), b"\xff{secret")
        await streams.produce(
            USERS, strange.key, {**encode(strange, trace={}), "ce_userid": b"\xff\xfe"}, b"{}"
        )
        await streams.send(good)

        async with running(new_consumer(batch())):
            await eventually(lambda: has(superuser, {good.key: [1]}))
            rows = await eventually(lambda: _when(parked(superuser), 2))

        assert {(row["key"], row["event_id"], row["kind"]) for row in rows} == {
            (broken.key, broken.id, "undecodable"),
            (strange.key, strange.id, "undecodable"),
        }
        assert {row["payload"] for row in rows} == {b"\xff{secret", b"{}"}
        assert not any("secret" in row["error_detail"] for row in rows)

    @pytest.mark.parametrize("key", [None, b"\xff\xfe", b"nul\x00", bytes(range(65, 91)) * 200])
    async def test_a_message_without_a_readable_key_is_kept_alone(
        self, new_consumer: NewConsumer, streams: Streams, superuser: asyncpg.Connection, key: bytes | None
    ):
        event, good = user_registered(), user_registered()
        headers = [(name, value.encode()) for name, value in encode(event, trace={}).items()]
        await streams.produce(USERS, key, headers, event.data.model_dump_json(), partition=0)
        await streams.send(good)

        async with running(new_consumer(each())):
            await eventually(lambda: has(superuser, {good.key: [1]}))
            (row,) = await eventually(lambda: _when(parked(superuser), 1))

        assert row["key"] is None
        assert await parked_keys(superuser) == []


class TestHandover:
    async def test_partitions_are_not_given_away_while_work_is_in_flight(
        self, new_consumer: NewConsumer, databases: Databases, streams: Streams, superuser: asyncpg.Connection
    ):
        began, may_end, calls = asyncio.Event(), asyncio.Event(), []

        async def handler(tx: Transaction, event: Event[UserRegistered]) -> None:
            calls.append(event.id)
            began.set()
            await may_end.wait()
            await effect(tx, event)

        event = user_registered()
        await streams.send(event)
        first = new_consumer(each(handler))
        second = new_consumer(each(handler), database=databases("profile", "worker"))

        async with running(first):
            await happens(began)
            async with running(second):
                await throughout(lambda: not second.progress, seconds=1.5)
                may_end.set()
                await eventually(lambda: second.progress)
                await eventually(lambda: has(superuser, {event.key: [1]}))

        assert calls == [event.id]

    async def test_order_and_single_effects_hold_while_workers_come_and_go(
        self, new_consumer: NewConsumer, databases: Databases, streams: Streams, superuser: asyncpg.Connection
    ):
        keys = [new_id() for _ in range(6)]

        async def produce() -> None:
            for version in range(1, 61):
                await asyncio.gather(*(streams.send(user_registered(key, version=version)) for key in keys))

        other = databases("profile", "worker")
        producing = asyncio.create_task(produce())
        async with running(new_consumer(each())):
            for _ in range(2):
                async with running(new_consumer(each(), database=other)) as (task,):
                    await throughout(lambda task=task: not task.done(), seconds=0.3)
            await producing
            await eventually(lambda: has(superuser, {key: list(range(1, 61)) for key in keys}), within=20)


async def _when(rows: Any, number: int) -> Any:
    found = await rows
    assert len(found) == number
    return found or True
