"""Redis as services see it: their own user, this worker's number and prefix, empty before each test."""

from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from tests.support.installation import Installation

RedisClients = Callable[..., Redis]


def redis_client(installation: Installation, user: str) -> Redis:
    number = installation.stack.workers.index(installation.worker) + 1
    url = installation.stack.redis_url(user, number)
    return Redis.from_url(url, ssl_ca_certs=str(installation.stack.ca_file), decode_responses=True)


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
