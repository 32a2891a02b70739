from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.support.own_redis import OwnRedis, own_redis_on


@pytest.fixture
async def server(free_port: int, tmp_path: Path) -> AsyncIterator[OwnRedis]:
    async with own_redis_on(free_port, tmp_path) as started:
        yield started


@pytest.fixture
def redis(server: OwnRedis) -> Redis:
    """As the processes open it, with all the patience that redis-py has of itself."""
    return server.client(retries=None, socket_connect_timeout=1.0, socket_timeout=5.0)
