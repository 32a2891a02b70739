import asyncio

import pytest
from redis.asyncio import Redis

from common.messaging.hints import Hints, Wakeups
from tests.support.waiting import eventually


class Stranger:
    """Whoever listens where Redis should: answers in its protocol, and not what was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            self.asked += 1
            writer.write(b"*1\r\n:1\r\n")
        writer.close()


@pytest.mark.parametrize("part", [Hints, Wakeups])
async def test_what_answers_in_place_of_redis_ends_nothing(part: type[Hints] | type[Wakeups]):
    stranger, stop = Stranger(), asyncio.Event()
    server = await asyncio.start_server(stranger.serve, "127.0.0.1", 0)
    redis = Redis(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    made = Hints(redis, "auth:") if part is Hints else Wakeups(redis, "auth:", ["outbox"])
    running = asyncio.create_task(made.run(stop))

    async def asked_again() -> bool:
        if isinstance(made, Hints):
            made.publish(["outbox"])
        return stranger.asked > 2 or running.done()

    await eventually(asked_again)

    assert not running.done()
    stop.set()
    await running
    await redis.aclose()
    server.close()
