"""Workers, a group, parking and an operator: every event has its effect once, in order for each key."""

import asyncio
from collections import Counter, defaultdict
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID
from zlib import crc32

from aiokafka import TopicPartition

from common.contracts.auth import UserRegistered
from common.contracts.envelope import Event
from common.errors import QuartetError, unavailable
from common.messaging.backoff import Backoff
from common.messaging.dead_letters import DeadLetters, Selection
from common.messaging.delivery import Delivery
from common.messaging.draining import Drainer
from common.messaging.handlers import Handlers
from common.messaging.headers import encode
from common.messaging.intake import Intake, IntakeSettings
from common.messaging.lanes import LaneSettings
from tests.simulation.group import Group, ModelConsumer
from tests.simulation.kafka import Broker
from tests.simulation.network import Network
from tests.simulation.parking_statements import EFFECT, Parking, Rules
from tests.simulation.postgres import ModelTransaction, PostgresModel
from tests.simulation.world import Faults, Process, World
from tests.support.factories import user_registered

FAULTS = Faults(crashes=2, pauses=2, pause_seconds=8.0, lost_replies=0.02, until_seconds=5.0)
TOPIC = "auth.user.v1"
KEYS, VERSIONS = 2, 4
MENDED_SECONDS = 2.5
"""What is permanently wrong before is right afterwards; then the operator replays."""

_QUICK = Backoff(first_seconds=0.05, most_seconds=0.2)
SETTINGS = IntakeSettings(
    lanes=2,
    lane=LaneSettings(batch=3, attempts=2, retry=_QUICK, database=Backoff(0.1, 1.0)),
    most_in_flight=6,
    fetch=4,
    fetch_seconds=1.0,
    handover_seconds=6.0,
)

_Record = tuple[bytes, bytes, list[tuple[str, bytes]]]


@cache
def events() -> tuple[tuple[UUID, str, int, _Record], ...]:
    """Key by key; made once, because every schedule may use the same."""
    made: list[tuple[UUID, str, int, _Record]] = []
    for number in range(1, KEYS + 1):
        for version in range(1, VERSIONS + 1):
            event_id = UUID(int=number * 100 + version)
            event = user_registered(UUID(int=number), event_id=event_id, version=version)
            headers = [(name, value.encode()) for name, value in encode(event, trace={}).items()]
            record = (event.key.encode(), event.data.model_dump_json().encode(), headers)
            made.append((event_id, event.key, version, record))
    return tuple(made)


class ConsumerScenario:
    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.__name__ = "consumers"

    def __call__(self, world: World) -> None:
        network = Network(world)
        model, broker = PostgresModel(world, network), Broker(world)
        applied: list[tuple[UUID, str, int]] = []
        Parking(model, self.rules, applied).teach()

        def committed(tp: TopicPartition, offset: int) -> None:
            for stored in broker.log(*tp)[:offset]:
                event_id = UUID(dict(stored.headers)["ce_id"].decode())
                if event_id not in model.table("inbox"):
                    world.errors.append(AssertionError(f"{tp} is committed past {stored.offset}"))

        group = Group(world, broker, TOPIC, committed=committed)
        self._plan_records(world, broker)
        mood = Mood(world)
        for name in ("worker-1", "worker-2"):
            self._start_worker(world.process(name), model, group, network, mood)
        self._start_operator(world.process("operator"), model, mood)
        if world.random.random() < 0.3:
            world.plan(world.random.uniform(0, world.faults.until_seconds), model.restart)

        def everything_is_done() -> bool:
            return (
                world.now > _LAST_RECORD_SECONDS
                and not model.table("parked_messages")
                and not model.table("parked_keys")
                and group.done
            )

        world.run(until=everything_is_done, seconds=300)
        self._check(applied)

    def _plan_records(self, world: World, broker: Broker) -> None:
        """In order for each key; a run of them may come again, as when a relay sends a batch twice."""
        by_partition: dict[int, list[_Record]] = defaultdict(list)
        for _, key, _, record in events():
            by_partition[crc32(key.encode()) % broker.partitions].append(record)
        for partition, records in by_partition.items():
            if world.random.random() < 0.5:
                first = world.random.randrange(len(records))
                last = min(len(records), first + world.random.randint(1, 4))
                records[last:last] = records[first:last]
            moments = sorted(world.random.random() * _LAST_RECORD_SECONDS for _ in records)
            for moment, record in zip(moments, records, strict=True):
                world.plan(
                    moment, lambda partition=partition, record=record: broker.append(TOPIC, partition, record)
                )

    def _start_worker(
        self, process: Process, model: PostgresModel, group: Group, network: Network, mood: "Mood"
    ) -> None:
        database = model.database(process, service="profile")

        async def main() -> None:
            handlers = Handlers("profile")
            handlers.each(UserRegistered, mood.handle)
            delivery = Delivery(
                database,  # pyright: ignore[reportArgumentType] - a model of it
                handlers,
                consumer="consumer",
                drain_after=timedelta(seconds=0.5),
            )
            intake = Intake(
                delivery, SETTINGS, by_stem=handlers.payload_types, prefix="", chance=process.random.random
            )
            consumer = ModelConsumer(group, network, process, intake.handover)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(consumer.keep_membership())
                tasks.create_task(Drainer(delivery, every_seconds=2.0).run(asyncio.Event()))
                await intake.run(consumer, asyncio.Event())  # pyright: ignore[reportArgumentType] - a model

        process.start(main)

    def _start_operator(self, process: Process, model: PostgresModel, mood: "Mood") -> None:
        database = model.database(process, service="profile")

        async def main() -> None:
            handlers = Handlers("profile")
            handlers.each(UserRegistered, mood.handle)
            delivery = Delivery(database, handlers, consumer="consumer")  # pyright: ignore[reportArgumentType] - a model
            letters = DeadLetters(delivery)
            while True:
                await asyncio.sleep(1.0 + process.random.random() * 2.0)
                try:
                    await letters.replay(Selection(), actor="operator")
                except QuartetError as error:
                    if not error.code.startswith("database.") or error.code == "database.constraint":
                        raise

        process.start(main)

    def _check(self, applied: list[tuple[UUID, str, int]]) -> None:
        twice = [event_id for event_id, number in Counter(one[0] for one in applied).items() if number > 1]
        assert not twice, f"more than one effect: {twice}"
        by_key: dict[str, list[int]] = defaultdict(list)
        for _, key, version in applied:
            by_key[key].append(version)
        wanted = {key: list(range(1, VERSIONS + 1)) for _, key, _, _ in events()}
        assert by_key == wanted, f"{dict(by_key)}"


class Mood:
    """What handlers do with which event: fail for ever until it is mended, fail for a while, or go well."""

    def __init__(self, world: World, *, mended_seconds: float = MENDED_SECONDS) -> None:
        self._world = world
        self._mended_seconds = mended_seconds
        ids = [event_id for event_id, _, _, _ in events()]
        self._permanent = set(world.random.sample(ids, world.random.randint(0, 2)))
        self._transient = Counter(
            {event_id: world.random.randint(1, 6) for event_id in world.random.sample(ids, 2)}
        )

    async def handle(self, tx: Any, event: Event[UserRegistered]) -> None:
        model: ModelTransaction = tx
        await model.execute(EFFECT, (event.id, event.key, event.data.version))
        if event.id in self._permanent and self._world.now < self._mended_seconds:
            raise ValueError("poison")
        if self._transient[event.id] > 0:
            self._transient[event.id] -= 1
            raise unavailable("provider.away", "later")


_LAST_RECORD_SECONDS = 1.5
