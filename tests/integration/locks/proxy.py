"""A network before Redis that loses the reply of a chosen command, or is slow with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class RedisProxy:
    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost: list[bytes] = []
        self.port = 0
        self.lost_replies = 0
        self.delay_seconds = 0.0
        """Of each reply."""

    def lose_reply_of(self, word: bytes, times: int = 1) -> None:
        """The connection ends instead of answering the next command that contains the word."""
        self._lost += [word] * times

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, reader, writer, server_reader, server_writer)
        for work in (connection.carry_commands(), connection.carry_replies()):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def loses(self, command: bytes) -> bool:
        for word in self._lost:
            if word in command:
                self._lost.remove(word)
                return True
        return False

    async def close(self) -> None:
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Connection:
    def __init__(self, proxy: RedisProxy, reader, writer, server_reader, server_writer) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._server_reader, self._server_writer = server_reader, server_writer
        self._loses_next = False

    async def carry_commands(self) -> None:
        try:
            while command := await self._reader.read(65536):
                self._loses_next = self._loses_next or self._proxy.loses(command)
                self._server_writer.write(command)
        except OSError:
            pass
        finally:
            self._server_writer.transport.abort()

    async def carry_replies(self) -> None:
        try:
            while reply := await self._server_reader.read(65536):
                if self._loses_next:
                    self._proxy.lost_replies += 1
                    break
                if self._proxy.delay_seconds:
                    await _passes(self._proxy.delay_seconds)
                self._writer.write(reply)
        except OSError:
            pass
        finally:
            self._writer.transport.abort()


async def _passes(seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


@asynccontextmanager
async def proxy_to_redis(port: int) -> AsyncIterator[RedisProxy]:
    proxy = RedisProxy(port)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.close()
