"""A network between a client and a server that a test can silence or cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.accepted = 0
        self.refused = 0
        self.asked = 0
        """How often a client has sent something: the round trips of what is small and waits for answers."""
        self.away = False
        """Ends every connection that comes, without a word."""
        self.silent = False
        """Takes every byte and hands none on, in both directions."""
        self._to_clients: set[asyncio.StreamWriter] = set()
        self._doomed: set[asyncio.StreamWriter] = set()

    def doom(self, *, answers_only: bool = False) -> None:
        """The next byte of a connection that is open now ends it, or the next of the server's: what was asked
        is done then, and nobody is told."""
        self._doomed = set(self._writers & self._to_clients) if answers_only else set(self._writers)

    def cut(self) -> None:
        """Ends what is open now, and lets nothing through until `away` is taken back."""
        self.away = True
        for writer in set(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            self.refused += 1
            writer.transport.abort()
            return
        self.accepted += 1
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, server_writer)
        self._writers.update(pair)
        self._to_clients.add(writer)
        for source, sink in ((reader, server_writer), (server_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink, pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source, sink, pair) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if sink in self._doomed:
                    break
                self.asked += sink not in self._to_clients
                if not self.silent:
                    sink.write(data)
        for writer in pair:
            self._writers.discard(writer)
            self._to_clients.discard(writer)
            writer.transport.abort()

    async def close(self) -> None:
        for writer in set(self._writers):
            writer.transport.abort()
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_to(host: str, port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(host, port)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.close()
