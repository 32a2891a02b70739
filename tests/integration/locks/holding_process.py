"""Holds a lock, and says whether it does whenever it is asked; the process that a test stops."""

import asyncio
import sys

from redis.asyncio import Redis

from common.locks import Locks


async def main(port: int) -> None:
    redis = Redis(port=port)
    locks = Locks(redis, "auth:", patience_seconds=5.0)
    async with locks.lock("refresh", "one", ttl_seconds=1.0, wait_seconds=0.0) as held:
        while await asyncio.to_thread(sys.stdin.readline):
            sys.stdout.write(f"{held.outcome} {held.held} {held.fence}\n")
            sys.stdout.flush()
    await locks.close()
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
