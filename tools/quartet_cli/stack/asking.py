"""Small questions in the servers' own protocols, by which a part is known to be ready.

HTTP and Redis are spoken by hand: their clients would be most of the resident process's memory.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

QUESTION_SECONDS = 3

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def client_context(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))


async def answers_sql(url: str, *, ca_file: Path) -> bool:
    """A real query; only a server with a certificate of this stack can answer it."""
    address, _, _ = url.partition("?")
    connection = await asyncpg.connect(
        address,
        ssl=client_context(ca_file),
        timeout=QUESTION_SECONDS,
        command_timeout=QUESTION_SECONDS,
        statement_cache_size=0,
    )
    try:
        # the simple protocol: nothing is prepared behind a pooler
        return await connection.execute("select 1") == "SELECT 1"
    finally:
        await connection.close(timeout=QUESTION_SECONDS)


async def answers_http(host: str, port: int, path: str, *, ca_file: Path | None = None) -> bool:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    async with _connected(host, port, ca_file) as (reader, writer):
        writer.write(request.encode())
        status = (await reader.readline()).split()
        return status[1:2] == [b"200"]


async def answers_redis(host: str, port: int, *, user: str, password: str, ca_file: Path) -> bool:
    async with _connected(host, port, ca_file) as (reader, writer):
        writer.write(f"AUTH {user} {password}\r\nPING\r\n".encode())
        answers = [await reader.readline(), await reader.readline()]
        return answers == [b"+OK\r\n", b"+PONG\r\n"]


async def answers_smtp(host: str, port: int) -> bool:
    async with _connected(host, port, None) as (reader, _):
        return (await reader.readline()).startswith(b"220 ")


async def listens(host: str, port: int) -> bool:
    try:
        async with _connected(host, port, None):
            return True
    except (OSError, TimeoutError):
        return False


@asynccontextmanager
async def _connected(host: str, port: int, ca_file: Path | None) -> AsyncGenerator[_Streams]:
    """All that happens inside must be over within `QUESTION_SECONDS`."""
    context = client_context(ca_file) if ca_file else None
    async with asyncio.timeout(QUESTION_SECONDS):
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            yield reader, writer
        finally:
            # at once: a polite goodbye may wait for a server that hangs
            writer.transport.abort()
