import asyncio
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Upstream:
    """A service that keeps what it was sent and answers what a test lays down; None hangs up."""

    answer: bytes | None = OK
    received: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await reader.readuntil(b"\r\n\r\n"))
        self.writers.append(writer)
        if self.answer is None:
            writer.transport.abort()
        else:
            writer.write(self.answer)

    def request_line(self) -> str:
        return self.received[-1].partition(b"\r\n")[0].decode()
