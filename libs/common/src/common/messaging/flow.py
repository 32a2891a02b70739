"""Whose the partitions are just now, and which of them are not fetched from for a while."""

import asyncio
from collections import Counter
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError

from common.messaging.messages import Message
from common.messaging.offsets import Offsets


class Flow:
    def __init__(self, offsets: Offsets, *, most_in_flight: int) -> None:
        self._offsets = offsets
        self._most_in_flight = most_in_flight
        self._held: Counter[TopicPartition] = Counter()
        self._paused: set[TopicPartition] = set()
        self.epoch = 0
        self.leaving = asyncio.Event()
        """The partitions are about to be taken away: what runs may end, nothing is begun or waited for."""
        self.progressed = asyncio.Event()
        self.waits_for_database = 0
        """How many lanes stand still until the database is back."""

    def may_begin(self, message: Message) -> bool:
        return self.is_current(message) and not self.leaving.is_set()

    def is_current(self, message: Message) -> bool:
        """It was fetched under the assignment that holds now, so its offset may be committed."""
        return message.epoch == self.epoch

    def leave(self) -> None:
        self.leaving.set()

    def hand_over(self) -> None:
        """From here on what was fetched before belongs to somebody else."""
        self.epoch += 1
        self._held.clear()
        self._paused.clear()
        self.leaving.clear()

    def hold(self, tp: TopicPartition) -> None:
        self._held[tp] += 1
        self.progressed.set()

    def let_go(self, tp: TopicPartition) -> None:
        self._held[tp] = max(0, self._held[tp] - 1)
        self.progressed.set()

    def apply(self, consumer: AIOKafkaConsumer) -> None:
        """Pauses what is held or has too much in flight; resumes it at half of that."""
        for tp in consumer.assignment():
            in_flight = self._offsets.in_flight(tp)
            full = in_flight > (self._most_in_flight // 2 if tp in self._paused else self._most_in_flight)
            wanted = full or self._held[tp] > 0
            if wanted == (tp in self._paused):
                continue
            with suppress(IllegalStateError):  # taken away in the same moment
                if wanted:
                    consumer.pause(tp)
                    self._paused.add(tp)
                else:
                    consumer.resume(tp)
                    self._paused.discard(tp)
