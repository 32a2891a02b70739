"""Redis as services see it: their own user, this worker's number and prefix, empty before each test."""

from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import RedisSSLContext, SSLConnection

from tests.support.installation import Installation

RedisClients = Callable[..., Redis]


class _Connection(SSLConnection):
    """redis-py's makes a context of its own, and reads every authority of the system for it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context = _trusting(options["ssl_ca_certs"])


@cache
def _trusting(ca_file: str) -> RedisSSLContext:
    return SSLConnection(ssl_ca_certs=ca_file).ssl_context


def redis_client(installation: Installation, user: str) -> Redis:
    number = installation.stack.workers.index(installation.worker) + 1
    url = installation.stack.redis_url(user, number)
    client = Redis.from_url(url, ssl_ca_certs=str(installation.stack.ca_file), decode_responses=True)
    client.connection_pool.connection_class = _Connection
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
