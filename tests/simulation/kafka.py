"""A model of a Kafka broker and of a transactional producer: logs, epochs that fence, read committed."""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError, ProducerFenced

from tests.simulation.network import Network
from tests.simulation.world import Process, World

_FITS = 3
"""Records of one batch, so that a partition's share of a transaction is several requests."""


@dataclass(slots=True, eq=False)
class Stored:
    """A record in the shape in which aiokafka hands it over; or a transaction's marker, which it does not."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp: int = 0
    state: str = "committed"


class Broker:
    def __init__(self, world: World, *, partitions: int = 2) -> None:
        self.world = world
        self.partitions = partitions
        self.logs: dict[tuple[str, int], list[Stored]] = {}
        self._epochs: dict[str, int] = {}
        self._transactions: dict[str, list[Stored]] = {}
        self._arrivals: list[asyncio.Future[None]] = []

    def log(self, topic: str, partition: int) -> list[Stored]:
        return self.logs.setdefault((topic, partition), [])

    def append(
        self,
        topic: str,
        partition: int,
        record: tuple[bytes | None, bytes | None, list[Any]],
        state: str = "committed",
    ) -> Stored:
        log = self.log(topic, partition)
        stored = Stored(topic, partition, len(log), *record, state=state)
        log.append(stored)
        for arrival in self._arrivals:
            if not arrival.done():
                arrival.set_result(None)
        self._arrivals.clear()
        return stored

    def next_arrival(self) -> "asyncio.Future[None]":
        arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals.append(arrival)
        return arrival

    def init(self, transactional_id: str) -> int:
        """A new epoch; what an older one left open is aborted."""
        self._epochs[transactional_id] = self._epochs.get(transactional_id, 0) + 1
        self._finish(transactional_id, "aborted")
        return self._epochs[transactional_id]

    def produce(
        self, transactional_id: str | None, epoch: int, topic: str, partition: int, batch: list[Any]
    ) -> None:
        if transactional_id is None:
            for record in batch:
                self.append(topic, partition, record)
            return
        self._fence(transactional_id, epoch)
        opened = self._transactions.setdefault(transactional_id, [])
        opened += [self.append(topic, partition, record, "open") for record in batch]

    def commit(self, transactional_id: str, epoch: int) -> None:
        self._fence(transactional_id, epoch)
        self._finish(transactional_id, "committed")

    def readable(self, topic: str, partition: int, position: int, most: int) -> tuple[list[Stored], int]:
        """Read committed: nothing behind the first open transaction, nothing aborted; and where to go on."""
        found: list[Stored] = []
        for stored in self.log(topic, partition)[position:]:
            if stored.state == "open" or len(found) == most:
                break
            position = stored.offset + 1
            if stored.state == "committed":
                found.append(stored)
        return found, position

    def committed(self) -> list[Stored]:
        return [stored for log in self.logs.values() for stored in log if stored.state == "committed"]

    def _fence(self, transactional_id: str, epoch: int) -> None:
        if self._epochs[transactional_id] != epoch:
            raise ProducerFenced

    def _finish(self, transactional_id: str, state: str) -> None:
        opened = self._transactions.pop(transactional_id, [])
        for stored in opened:
            stored.state = state
        for topic, partition in {(stored.topic, stored.partition): None for stored in opened}:
            self.append(topic, partition, (None, None, []), "marker")


class ModelBatch:
    def __init__(self) -> None:
        self.records: list[Any] = []

    def append(self, *, timestamp: int | None, key: bytes, value: bytes, headers: list[Any]) -> object | None:
        if len(self.records) == _FITS:
            return None
        self.records.append((key, value, headers))
        return self


class ModelProducer:
    """What `AIOKafkaProducer` is to the channel."""

    def __init__(
        self, broker: Broker, network: Network, process: Process, transactional_id: str | None
    ) -> None:
        self._broker = broker
        self._network = network
        self._process = process
        self._transactional_id = transactional_id
        self._epoch = 0
        self._turns: dict[tuple[str, int], asyncio.Lock] = {}

    async def start(self) -> None:
        name = self._transactional_id
        self._epoch = await self._ask(lambda: self._broker.init(name) if name else 0)

    async def stop(self) -> None:
        await self._network.travel()

    async def begin_transaction(self) -> None:
        pass

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self._broker.partitions))

    def create_batch(self) -> ModelBatch:
        return ModelBatch()

    async def send_batch(self, batch: ModelBatch, topic: str, *, partition: int) -> Any:
        turn = self._turns.setdefault((topic, partition), asyncio.Lock())
        return asyncio.get_running_loop().create_task(self._produce(turn, batch, topic, partition))

    async def commit_transaction(self) -> None:
        name = self._transactional_id
        await self._ask(lambda: self._broker.commit(name, self._epoch) if name else None)

    async def _produce(self, turn: asyncio.Lock, batch: ModelBatch, topic: str, partition: int) -> None:
        async with turn:
            await self._ask(
                lambda: self._broker.produce(
                    self._transactional_id, self._epoch, topic, partition, batch.records
                )
            )

    async def _ask(self, effect: Any) -> Any:
        world = self._broker.world
        await self._network.travel()
        if world.troubled and world.random.random() < world.faults.late_requests:
            world.note(self._process.name, "what it asks of Kafka comes late")
            self._network.late(effect)
            raise KafkaError
        answer = effect()
        if world.troubled and world.random.random() < world.faults.lost_replies:
            world.note(self._process.name, "Kafka's answer is lost")
            raise KafkaError
        await self._network.answer()
        return answer
