"""A model of a consumer group and its members: sessions, rebalances, offsets of the generation that is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from tests.simulation.kafka import Broker, Stored
from tests.simulation.network import Network
from tests.simulation.world import Process, World

_SESSION_SECONDS = 3.0
_HEARTBEAT_SECONDS = 1.0
_REBALANCE_SECONDS = 8.0


@dataclass(eq=False)
class _Member:
    consumer: "ModelConsumer"
    heard_at: float
    joining: "asyncio.Future[tuple[int, set[TopicPartition]]] | None" = None
    last_assignment: set[TopicPartition] = field(default_factory=set)


class Group:
    def __init__(
        self, world: World, broker: Broker, topic: str, *, committed: Callable[[TopicPartition, int], None]
    ) -> None:
        self.world = world
        self.broker = broker
        self.partitions = [TopicPartition(topic, number) for number in range(broker.partitions)]
        self.offsets: dict[TopicPartition, int] = {}
        self.generation = 0
        self._committed = committed
        self._members: list[_Member] = []
        self._rebalances_until: float | None = None
        world.plan(_HEARTBEAT_SECONDS, self._look)

    @property
    def done(self) -> bool:
        return all(
            self.offsets.get(tp, 0) >= len(self.broker.log(tp.topic, tp.partition)) for tp in self.partitions
        )

    def join(self, consumer: "ModelConsumer") -> "asyncio.Future[tuple[int, set[TopicPartition]]]":
        member = self._member(consumer)
        if member is None:
            member = _Member(consumer, self.world.now)
            self._members.append(member)
        member.heard_at = self.world.now
        member.joining = asyncio.get_running_loop().create_future()
        if self._rebalances_until is None:
            self._rebalances_until = self.world.now + _REBALANCE_SECONDS
        answer = member.joining
        self._finish_when_all_are_there()
        return answer

    def heartbeat(self, consumer: "ModelConsumer", generation: int) -> bool:
        """Whether the member is to join again."""
        member = self._member(consumer)
        if member is None:
            return True
        member.heard_at = self.world.now
        return self._rebalances_until is not None or generation != self.generation

    def commit(self, consumer: "ModelConsumer", generation: int, offsets: dict[TopicPartition, int]) -> None:
        if self._member(consumer) is None or generation != self.generation:
            raise CommitFailedError("the group has moved on")
        for tp, offset in offsets.items():
            self._committed(tp, offset)
            self.offsets[tp] = offset

    def _member(self, consumer: "ModelConsumer") -> _Member | None:
        return next((member for member in self._members if member.consumer is consumer), None)

    def _look(self) -> None:
        """Who was silent for too long is no member any more."""
        now = self.world.now
        late = [
            member
            for member in self._members
            if member.joining is None and now - member.heard_at > _SESSION_SECONDS
        ]
        if late:
            self._members = [member for member in self._members if member not in late]
            self._rebalances_until = self._rebalances_until or now + _REBALANCE_SECONDS
            self.world.note("group", "gives up", *(member.consumer.process.name for member in late))
        if self._rebalances_until is not None and now >= self._rebalances_until:
            self._members = [member for member in self._members if member.joining is not None]
        self._finish_when_all_are_there()
        self.world.plan(now + _HEARTBEAT_SECONDS, self._look)

    def _finish_when_all_are_there(self) -> None:
        if self._rebalances_until is None or not self._members:
            return
        if any(member.joining is None for member in self._members):
            return
        self._rebalances_until = None
        self.generation += 1
        for number, member in enumerate(self._members):
            mine = set(self.partitions[number :: len(self._members)])
            joining, member.joining, member.heard_at = member.joining, None, self.world.now
            if joining is not None and not joining.done():
                joining.set_result((self.generation, mine))


class ModelConsumer:
    """What `AIOKafkaConsumer` is to the intake."""

    def __init__(self, group: Group, network: Network, process: Process, listener: Any) -> None:
        self.process = process
        self._group = group
        self._network = network
        self._listener = listener
        self._generation = 0
        self._assigned: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._settled = asyncio.Event()

    async def keep_membership(self) -> None:
        rejoin = True
        while True:
            if rejoin:
                self._settled.clear()
                await self._listener.on_partitions_revoked(set(self._assigned))
                await self._network.travel()
                self._generation, assigned = await self._group.join(self)
                self._assigned, self._paused = assigned, set()
                self._positions = {tp: self._group.offsets.get(tp, 0) for tp in assigned}
                self._settled.set()
                await self._listener.on_partitions_assigned(assigned)
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            rejoin = self._group.heartbeat(self, self._generation)

    def assignment(self) -> set[TopicPartition]:
        return set(self._assigned)

    def pause(self, tp: TopicPartition) -> None:
        self._paused.add(tp)

    def resume(self, tp: TopicPartition) -> None:
        self._paused.discard(tp)

    async def committed(self, tp: TopicPartition) -> int | None:
        await self._network.travel()
        return self._group.offsets.get(tp)

    async def seek_to_beginning(self, tp: TopicPartition) -> None:
        if tp in self._assigned:
            self._positions[tp] = 0

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[tp] = offset

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Stored]]:
        await self._settled.wait()
        await self._network.travel()
        world = self._group.world
        if world.troubled and world.random.random() < world.faults.lost_replies:
            # as the client: what it had read before the error is passed by, and handed to nobody
            self._fetched(max_records)
            raise KafkaError("no answer")
        # as the client: nothing is handed over from when partitions are to be given up until others are given
        await self._settled.wait()
        fetched = self._fetched(max_records)
        if not fetched:
            arrived = self._group.broker.next_arrival()
            try:
                async with asyncio.timeout(timeout_ms / 1000):
                    await arrived
            except TimeoutError:
                pass
            await self._settled.wait()
            fetched = self._fetched(max_records)
        return fetched

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if not set(offsets) <= self._assigned:
            raise IllegalStateError("not assigned")
        world = self._group.world
        await self._network.travel()
        self._group.commit(self, self._generation, offsets)
        if world.troubled and world.random.random() < world.faults.lost_replies:
            raise KafkaError("no answer")
        await self._network.answer()

    def _fetched(self, most: int) -> dict[TopicPartition, list[Stored]]:
        found: dict[TopicPartition, list[Stored]] = {}
        for tp in sorted(self._assigned - self._paused):
            records, self._positions[tp] = self._group.broker.readable(
                tp.topic, tp.partition, self._positions[tp], most
            )
            if records:
                found[tp] = records
                most -= len(records)
        return found
