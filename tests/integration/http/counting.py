"""A process that takes from a limit as fast as it can and prints how often it was allowed to."""

import asyncio
import sys

from redis.asyncio import Redis

from common.http.rate_limits import Limit
from common.http.shared_limits import RedisLimits


async def main(port: int, tasks: int, attempts: int, requests: int) -> None:
    limit = Limit("shared", requests=requests, seconds=36_000)
    async with Redis(host="127.0.0.1", port=port) as redis:
        limits = RedisLimits(redis, prefix="test:")

        async def take() -> int:
            return sum([(await limits.take(limit, "all")).allowed for _ in range(attempts)])

        print(sum(await asyncio.gather(*(take() for _ in range(tasks)))))  # noqa: T201 - its answer


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
