"""Partitions are given away only when nothing of them is in flight any more."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition

from common.messaging.flow import Flow
from common.messaging.lanes import Lane
from common.messaging.offsets import Offsets

log = structlog.get_logger(__name__)


class Handover(ConsumerRebalanceListener):
    """The group waits for the answer of `on_partitions_revoked`, up to the rebalance timeout."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        offsets: Offsets,
        flow: Flow,
        *,
        commit: Callable[[], Awaitable[None]],
        patience_seconds: float,
    ) -> None:
        self._lanes = lanes
        self._offsets = offsets
        self._flow = flow
        self._commit = commit
        self._patience_seconds = patience_seconds

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride] - coroutines are awaited
        self, revoked: set[TopicPartition]
    ) -> None:
        """Drops what was not begun, waits for what was, and commits. All partitions go at once."""
        for lane in self._lanes:
            lane.drop_waiting()
        await self.wait_for_lanes()
        # Only now: until here a transaction that ends well still counts, so its offset is committed too.
        self._flow.hand_over()
        if revoked:
            await self._commit()
        self._offsets.forget_all()

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride] - coroutines are awaited
        self, assigned: set[TopicPartition]
    ) -> None:
        log.info("consumer.assigned", partitions=len(assigned))
        self._flow.progressed.set()

    async def wait_for_lanes(self) -> None:
        self._flow.leave()
        try:
            async with asyncio.timeout(self._patience_seconds):
                await asyncio.gather(*(lane.idle.wait() for lane in self._lanes))
        except TimeoutError:
            # Its inbox rows still decide: whoever gets the messages next waits for this transaction's end.
            log.warning("consumer.handover_late", seconds=self._patience_seconds)
