"""Does claimed work in a process of its own, which a test stops and kills.

`hammer VERSIONS TOKEN...` brings every token to a version, asking many times for each,
and says how often it did the work.
`stop-in do|store TOKEN` says when it is there, goes on when it is sent a line, and says what it was answered.
"""

import asyncio
import sys
from uuid import UUID

import structlog
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.errors import QuartetError
from common.locks import Locks
from common.once import Once
from common.postgres.engine import Database
from common.redis_client import open_redis
from common.settings import DatabaseSettings, RedisSettings
from tests.integration.claims.rows import refresh, store
from tests.support.waiting import throughout

CALLERS = 8


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_nested_delimiter="_", env_nested_max_split=1, extra="ignore")

    database: DatabaseSettings
    redis: RedisSettings


async def hammer(once: Once, versions: int, tokens: list[UUID]) -> None:
    done = 0

    async def do(claim) -> str:
        nonlocal done
        done += 1
        await throughout(lambda: True, seconds=0.005)
        return f"of version {claim.version}"

    async def bring_up(token: UUID) -> None:
        for version in range(1, versions):
            await once.do(refresh(token, do, version=version, wait_seconds=60.0))

    await asyncio.gather(*(bring_up(token) for token in tokens for _ in range(CALLERS)))
    say(str(done))


async def stop_in(once: Once, where: str, token: UUID) -> None:
    async def be_there(there: str) -> None:
        if there == where:
            say("there")
            await asyncio.to_thread(sys.stdin.readline)

    async def do(claim) -> str:
        await be_there("do")
        return "late"

    work = refresh(token, do, work_seconds=1.0)

    async def store_late(tx, claim, secret) -> str:
        await be_there("store")
        return await store(tx, claim, secret)

    object.__setattr__(work, "store", store_late)
    try:
        say(await once.do(work))
    except QuartetError as error:
        say(error.code)


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


async def main(verb: str, *arguments: str) -> None:
    # what the test reads is on the other one
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = Settings()
    database = Database(settings.database, service="auth", application_name="working-process")
    redis = open_redis(settings.redis)
    locks = Locks(redis, settings.redis.prefix)
    once = Once(database, locks)
    if verb == "hammer":
        await hammer(once, int(arguments[0]), [UUID(token) for token in arguments[1:]])
    else:
        await stop_in(once, arguments[0], UUID(arguments[1]))
    await once.close()
    await locks.close()
    await redis.aclose()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
