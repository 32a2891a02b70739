import ssl
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection

from common.settings import RedisSettings


def open_redis(settings: RedisSettings) -> Redis:
    """Short of patience: nothing that waits for Redis is worth waiting long for."""
    redis = Redis.from_url(
        settings.url.get_secret_value(),
        socket_connect_timeout=1.0,
        socket_timeout=5.0,
        health_check_interval=15,
    )
    if settings.ca_file is not None:
        pool = redis.connection_pool
        pool.connection_class = TrustsOneFile
        pool.connection_kwargs["trusted"] = ssl.create_default_context(cafile=str(settings.ca_file))
    return redis


class TrustsOneFile(SSLConnection):
    """redis-py would trust the system's authorities as well, and read all of them for each connection."""

    def __init__(self, *, trusted: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = trusted
