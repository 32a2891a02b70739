"""Redis only saves work: without it the process is slower, and ready."""

from redis.asyncio import Redis

from common.health.checks import Check, Severity


def redis_check(redis: Redis) -> Check:
    async def ask() -> str:
        await redis.execute_command("PING")
        return "answers"

    return Check("redis", ask, severity=Severity.DEGRADING, timeout_seconds=0.25, fresh_seconds=2.0)
