"""One transaction for a batch of messages: inbox rows, effects and the events that follow from them."""

import asyncio
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from common.contracts.envelope import Event
from common.errors import Kind, QuartetError
from common.messaging import inbox, parking
from common.messaging.failures import Failure
from common.messaging.handlers import Handlers
from common.messaging.messages import Message
from common.messaging.metrics import CONSUMED
from common.messaging.traces import processed, processed_together
from common.postgres.asking import ask, found_first
from common.postgres.becoming import become
from common.postgres.context import Context
from common.postgres.engine import Database, Transaction
from common.postgres.trip import Step


class Delivery:
    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        *,
        consumer: str,
        drain_after: timedelta = timedelta(seconds=5),
    ) -> None:
        self.database = database
        self.handlers = handlers
        self.consumer = consumer
        self._drain_after = drain_after

    async def together(self, messages: Sequence[Message]) -> None:
        """All or nothing. A duplicate has no effect; what belongs to a parked key waits in its list."""
        results: Counter[tuple[str, int, str]] = Counter()
        # The inbox first: whoever has these messages too is waited for there, and may have parked a key.
        first = self._claiming(messages), parking.looking(consumer=self.consumer)
        async with self.database.transaction(as_user=Context.SYSTEM, first=first) as tx:
            claimed, seen = found_first(tx)
            fresh = inbox.claimed(claimed)
            parked = await parking.lock_parked(tx, consumer=self.consumer, messages=messages, seen=seen)
            due: list[Event[Any]] = []
            for message in messages:
                place = message.topic, message.tp.partition
                if message.event_id not in fresh:
                    results[*place, "duplicate"] += 1
                    continue
                fresh.discard(message.event_id)
                if (message.topic, message.key) in parked and not _passes(message):
                    await parking.append(tx, consumer=self.consumer, message=message)
                    results[*place, "appended"] += 1
                elif message.event is None:
                    raise message.fault or AssertionError("a message without an event has a fault")
                else:
                    due.append(message.event)
                    results[*place, "handled"] += 1
            await self.handle(tx, due)
        _count(results)

    async def ask(self) -> None:
        """Whether the database answers: raises when it does not."""
        async with self.database.transaction(as_user=Context.SYSTEM):
            pass

    async def park(self, message: Message, failure: Failure, *, attempts: int) -> None:
        """The key stops in the transaction that marks its message as done: neither without the other."""

        async def use_case(tx: Transaction) -> bool:
            return await self.park_in(tx, message, failure, attempts=attempts)

        if await self.database.in_transaction(Context.SYSTEM, use_case):
            result = "dead_lettered" if message.key is None else "parked"
            _count({(message.topic, message.tp.partition, result): 1})

    async def park_in(self, tx: Transaction, message: Message, failure: Failure, *, attempts: int) -> bool:
        """False when another worker had the message meanwhile."""
        [claimed] = await ask(tx, self._claiming([message]))
        if not claimed:
            return False
        await parking.park(
            tx,
            consumer=self.consumer,
            message=message,
            failure=failure,
            attempts=attempts,
            drain_after=self._drain_after,
        )
        return True

    async def handle(self, tx: Transaction, events: Iterable[Event[Any]]) -> None:
        """Groups by type for the handlers, and lets no event of a key pass an earlier one of another type."""
        with _told_from_our_own_end():
            await self._handle(tx, events)

    async def _handle(self, tx: Transaction, events: Iterable[Event[Any]]) -> None:
        groups: dict[str, list[Event[Any]]] = {}
        type_of_key: dict[str, str] = {}
        for event in events:
            if type_of_key.setdefault(event.key, event.stem) != event.stem:
                await self._handle_groups(tx, groups)
                groups, type_of_key = {}, {event.key: event.stem}
            groups.setdefault(event.stem, []).append(event)
        await self._handle_groups(tx, groups)

    def _claiming(self, messages: Sequence[Message]) -> Step:
        return inbox.claiming(consumer=self.consumer, event_ids=[message.event_id for message in messages])

    async def _handle_groups(self, tx: Transaction, groups: dict[str, list[Event[Any]]]) -> None:
        for name, events in groups.items():
            handler = self.handlers.of(name)
            if handler.batch is not None:
                with processed_together(events):
                    await handler.batch(tx, events)
            elif handler.each is not None:
                await self._each(tx, handler.each, events)

    async def _each(self, tx: Transaction, handler: Any, events: list[Event[Any]]) -> None:
        service, current = self.database.service, None
        for event in events:
            if event.user_id is None:
                raise QuartetError(
                    "event.without_user", f"{event.type} names no user to handle it as.", kind=Kind.MALFORMED
                )
            if event.user_id != current:
                become(tx, service, event.user_id)
                current = event.user_id
            with processed(event):
                await handler(tx, event)
        become(tx, service, Context.SYSTEM)


@contextmanager
def _told_from_our_own_end() -> Generator[None, None, None]:
    """A handler that raises `CancelledError` by itself would end its lane, and nobody would hear of it."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise QuartetError(
            "event.handler_cancelled", "The handler was cancelled from inside.", kind=Kind.INTERNAL
        ) from error


def _passes(message: Message) -> bool:
    return message.event is not None and message.event.data.passes_parked


def _count(results: dict[tuple[str, int, str], int]) -> None:
    for labels, number in results.items():
        CONSUMED.labels(*labels).inc(number)
