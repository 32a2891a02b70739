"""Which offsets may be committed: everything before them is done, whatever order the lanes finished in."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka import TopicPartition


@dataclass
class _Partition:
    pending: deque[int] = field(default_factory=deque[int])
    read_up_to: int | None = None
    done: set[int] = field(default_factory=set[int])
    next_offset: int | None = None
    committed: int | None = None


class Offsets:
    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _Partition] = {}

    def begin(self, tp: TopicPartition, offset: int) -> None:
        """In the order in which Kafka gave them; there may be gaps (transaction markers)."""
        partition = self._partitions.setdefault(tp, _Partition())
        partition.pending.append(offset)
        partition.read_up_to = offset + 1

    def done(self, tp: TopicPartition, offsets: Iterable[int]) -> None:
        partition = self._partitions.get(tp)
        if partition is None:  # handed over meanwhile
            return
        partition.done.update(offsets)
        while partition.pending and partition.pending[0] in partition.done:
            offset = partition.pending.popleft()
            partition.done.remove(offset)
            partition.next_offset = offset + 1

    def to_commit(self) -> dict[TopicPartition, int]:
        return {
            tp: partition.next_offset
            for tp, partition in self._partitions.items()
            if partition.next_offset is not None and partition.next_offset != partition.committed
        }

    def committed(self, offsets: dict[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            if tp in self._partitions:
                self._partitions[tp].committed = offset

    def in_flight(self, tp: TopicPartition) -> int:
        return len(self._partitions[tp].pending) if tp in self._partitions else 0

    def first_pending(self, tp: TopicPartition) -> int | None:
        partition = self._partitions.get(tp)
        return partition.pending[0] if partition is not None and partition.pending else None

    def next_to_read(self, tp: TopicPartition) -> int | None:
        """None before anything of it was begun."""
        return self._partitions[tp].read_up_to if tp in self._partitions else None

    def forget_all(self) -> None:
        self._partitions.clear()
