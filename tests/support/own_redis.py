"""A Redis of a test's own, which it may kill, empty and stop; nobody else's work rests on it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from quartet_cli.stack.versions import program
from tests.support.waiting import eventually


class OwnRedis:
    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._clients: list[Redis] = []

    def client(self, *, port: int | None = None, retries: int | None = 0, **options: Any) -> Redis:
        """`retries=None` is what redis-py does when nothing is said."""
        if retries is not None:
            options["retry"] = Retry(NoBackoff(), retries)
        self._clients.append(Redis(host="127.0.0.1", port=port or self.port, **options))
        return self._clients[-1]

    async def start(self) -> None:
        """Empty, however it ended before."""
        self._process = await asyncio.create_subprocess_exec(
            *(program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        await eventually(self._answers)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()
        if self._process is not None and self._process.returncode is None:
            self.go_on()
            await self.kill()

    async def _answers(self) -> bool:
        client = Redis(host="127.0.0.1", port=self.port, retry=Retry(NoBackoff(), 0))
        try:
            return bool(await client.ping())
        except RedisError:
            return False
        finally:
            await client.aclose()


@asynccontextmanager
async def own_redis_on(port: int, folder: Path) -> AsyncIterator[OwnRedis]:
    redis = OwnRedis(port, folder)
    await redis.start()
    try:
        yield redis
    finally:
        await redis.close()
