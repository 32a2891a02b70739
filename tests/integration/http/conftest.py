from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.support.own_redis import OwnRedis, own_redis


@pytest.fixture
async def server() -> AsyncIterator[OwnRedis]:
    async with own_redis() as started:
        yield started


@pytest.fixture
async def redis(server: OwnRedis) -> AsyncIterator[Redis]:
    async with server.client() as opened:
        yield opened
