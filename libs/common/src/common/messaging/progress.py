"""How far a consumer is in each of its partitions."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from common.messaging.metrics import CONSUMER_LAG, CONSUMER_STANDS
from common.messaging.offsets import Offsets


@dataclass(frozen=True)
class PartitionProgress:
    topic: str
    partition: int
    highwater: int
    position: int
    """The first offset that is not done."""
    moved_at: float
    """Monotonic; when `position` last moved, or when it last had nothing before it."""

    @property
    def lag(self) -> int:
        return max(0, self.highwater - self.position)


class Figures:
    def __init__(self, offsets: Offsets, *, prefix: str) -> None:
        self._offsets = offsets
        self._prefix = prefix
        self._known: dict[TopicPartition, PartitionProgress] | None = None

    @property
    def partitions(self) -> Sequence[PartitionProgress]:
        return tuple((self._known or {}).values())

    @property
    def lag(self) -> int | None:
        """None before the first figures: nobody knows then what waits."""
        return None if self._known is None else sum(one.lag for one in self._known.values())

    def forget(self) -> None:
        self._known = None

    async def refresh(self, consumer: AIOKafkaConsumer) -> None:
        known, now = self._known or {}, time.monotonic()
        progress: dict[TopicPartition, PartitionProgress] = {}
        assigned = consumer.assignment()
        if not assigned and self._known is None:
            return
        for tp in assigned:
            # Asking about a partition that was taken away meanwhile would be an error.
            highwater = consumer.highwater(tp) if tp in consumer.assignment() else None
            if highwater is None:
                continue
            position = self._offsets.first_pending(tp)
            if position is None:
                position = int(await consumer.position(tp))
            before = known.get(tp)
            stands = before is not None and before.position == position and position < highwater
            moved_at = before.moved_at if before is not None and stands else now
            topic = tp.topic[len(self._prefix) :]
            progress[tp] = PartitionProgress(topic, tp.partition, highwater, position, moved_at)
        self._known = progress
        # Partitions that others have now are theirs to tell of.
        CONSUMER_LAG.clear()
        CONSUMER_STANDS.clear()
        for held in progress.values():
            CONSUMER_LAG.labels(held.topic, held.partition).set(held.lag)
            CONSUMER_STANDS.labels(held.topic, held.partition).set(now - held.moved_at)
