from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from common.locks import Locks
from tests.integration.locks.proxy import RedisProxy, proxy_to_redis
from tests.support.own_redis import OwnRedis, own_redis_on

MakeLocks = Callable[..., Locks]


@pytest.fixture
async def own_redis(free_port: int, tmp_path) -> AsyncIterator[OwnRedis]:
    async with own_redis_on(free_port, tmp_path) as redis:
        yield redis


@pytest.fixture
async def proxy(own_redis: OwnRedis) -> AsyncIterator[RedisProxy]:
    async with proxy_to_redis(own_redis.port) as between:
        yield between


@pytest.fixture
async def locks_on() -> AsyncIterator[MakeLocks]:
    """Locks that wait for answers for longer than a loaded machine takes, unless a test says otherwise."""
    made: list[Locks] = []

    def make(redis: Redis, *, prefix: str = "auth:", patience_seconds: float = 5.0, **options: Any) -> Locks:
        made.append(Locks(redis, prefix, patience_seconds=patience_seconds, **options))
        return made[-1]

    yield make
    for locks in made:
        await locks.close()
