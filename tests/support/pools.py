"""A server that a pool opens connections to, as slowly and as badly as a test wants."""

import asyncio
from typing import Any

from common.postgres.pool import Pool, Pooled


class Wire:
    """Stands for both forms of a connection."""

    def __init__(self) -> None:
        self.closed = False
        self.terminated = False
        self.in_transaction = False

    def is_closed(self) -> bool:
        return self.closed

    def is_in_transaction(self) -> bool:
        return self.in_transaction

    def terminate(self) -> None:
        self.closed = self.terminated = True

    async def close(self) -> None:
        self.closed = True


class Server:
    def __init__(self) -> None:
        self.opened: list[Wire] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fault: Exception | None = None

    async def open_one(self) -> Pooled:
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        wire = Wire()
        self.opened.append(wire)
        return Pooled(wire, wire)

    def pool(self, **settings: Any) -> Pool:
        return Pool(self.open_one, **{"size": 2, "wait_seconds": 5.0, "recycle_seconds": 60.0} | settings)
