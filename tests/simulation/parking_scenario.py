"""Two workers with the same messages, as after a late handover, and an operator who replays meanwhile."""

import asyncio
from datetime import timedelta
from uuid import UUID

from aiokafka import TopicPartition

from common.contracts.auth import UserRegistered
from common.errors import QuartetError
from common.messaging.dead_letters import DeadLetters, Selection
from common.messaging.delivery import Delivery
from common.messaging.flow import Flow
from common.messaging.handlers import Handlers
from common.messaging.lanes import Lane
from common.messaging.messages import read
from common.messaging.offsets import Offsets
from tests.simulation.consumer_scenario import SETTINGS, TOPIC, VERSIONS, Mood, events
from tests.simulation.kafka import Stored
from tests.simulation.network import Network
from tests.simulation.parking_statements import Parking, Rules
from tests.simulation.postgres import PostgresModel
from tests.simulation.world import Faults, Process, World

FAULTS = Faults(crashes=1, pauses=1, pause_seconds=1.0, lost_replies=0.03, until_seconds=2.0)
_TP = TopicPartition(TOPIC, 0)
_MENDED_SECONDS = 0.2


class ParkingScenario:
    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.__name__ = "parking"

    def __call__(self, world: World) -> None:
        model = PostgresModel(world, Network(world))
        applied: list[tuple[UUID, str, int]] = []
        Parking(model, self.rules, applied).teach()
        mood = Mood(world, mended_seconds=world.random.random() * _MENDED_SECONDS)
        done: set[str] = set()
        for name in ("worker-1", "worker-2"):
            self._start_worker(world.process(name), model, mood, done)
        self._start_operator(world.process("operator"), model, mood)

        def nothing_waits() -> bool:
            return len(done) == 2 and not model.table("parked_messages") and not model.table("parked_keys")

        world.run(until=nothing_waits, seconds=60)
        assert [version for _, _, version in applied] == list(range(1, VERSIONS + 1)), f"{applied}"

    def _start_worker(self, process: Process, model: PostgresModel, mood: Mood, done: set[str]) -> None:
        delivery = _delivery(process, model, mood)

        async def main() -> None:
            offsets = Offsets()
            flow = Flow(offsets, most_in_flight=100)
            lane = Lane(delivery, offsets, flow, SETTINGS.lane, chance=process.random.random)
            await asyncio.sleep(process.random.random() * 0.05)
            by_stem = delivery.handlers.payload_types
            for offset, (_, _, _, record) in enumerate(events()[:VERSIONS]):
                offsets.begin(_TP, offset)
                stored = Stored(TOPIC, 0, offset, *record)
                message = read(stored, by_stem, tp=_TP, topic=TOPIC, epoch=0)
                assert message is not None
                lane.add(message)
            running = asyncio.create_task(lane.run())
            while offsets.in_flight(_TP):
                await flow.progressed.wait()
                flow.progressed.clear()
            running.cancel()
            done.add(process.name)

        process.start(main)

    def _start_operator(self, process: Process, model: PostgresModel, mood: Mood) -> None:
        letters = DeadLetters(_delivery(process, model, mood))

        async def main() -> None:
            while True:
                await asyncio.sleep(process.random.random() * 0.05)
                if not model.table("parked_messages"):  # as they look at a gauge before they act
                    continue
                try:
                    await letters.replay(Selection(), actor="operator")
                except QuartetError:  # the database is away: the next round finds what is left
                    await asyncio.sleep(0.1)

        process.start(main)


def _delivery(process: Process, model: PostgresModel, mood: Mood) -> Delivery:
    handlers = Handlers("profile")
    handlers.each(UserRegistered, mood.handle)
    database = model.database(process, service="profile")
    return Delivery(database, handlers, consumer="consumer", drain_after=timedelta(seconds=60))  # pyright: ignore[reportArgumentType] - a model
