"""Redis as services see it: their own user, this worker's number and prefix, empty before each test."""

import ssl
from collections.abc import AsyncIterator, Callable
from functools import cache

import pytest
from redis.asyncio import Redis
from redis.driver_info import DriverInfo

from common.redis_client import TrustsOneFile
from tests.support.installation import Installation

RedisClients = Callable[..., Redis]
# else every connection looks its version up among all installed packages
_DRIVER = DriverInfo()


@cache
def _trusting(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def redis_client(installation: Installation, user: str) -> Redis:
    number = installation.stack.workers.index(installation.worker) + 1
    url = installation.stack.redis_url(user, number)
    client = Redis.from_url(url, decode_responses=True)
    client.connection_pool.connection_class = TrustsOneFile
    client.connection_pool.connection_kwargs["driver_info"] = _DRIVER
    client.connection_pool.connection_kwargs["trusted"] = _trusting(str(installation.stack.ca_file))
    return client


@pytest.fixture
async def redis_clients(installation: Installation) -> AsyncIterator[RedisClients]:
    """Makes clients by user; `operator` may do everything."""
    operator = redis_client(installation, "operator")
    await operator.flushdb()
    made = [operator]

    def make(user: str = "auth") -> Redis:
        made.append(redis_client(installation, user))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def redis(redis_clients: RedisClients) -> Redis:
    """Redis as auth sees it."""
    return redis_clients("auth")
