"""Large answers are sent compressed to whoever takes gzip; streams of events never are.

An answer with an ETag is left alone: the tag of one representation would stand for two.
"""

import asyncio
import gzip
from functools import lru_cache
from typing import Final, cast

from starlette.types import Message, Send

SMALLEST_BYTES: Final = 1_400
"""What is smaller fits into one packet either way."""
_LEVEL: Final = 5
_IN_A_THREAD_BYTES: Final = 65_536
"""A millisecond of compressing; more would keep every other request waiting."""
_TYPES: Final = (
    b"application/json",
    b"application/problem+json",
    b"text/plain",
    b"text/calendar",
    b"text/csv",
)


@lru_cache(maxsize=64)
def takes_gzip(accept_encoding: bytes) -> bool:
    """Kept: clients send the same few headers again and again."""
    for coding in accept_encoding.lower().split(b","):
        name, _, weight = coding.partition(b";")
        if name.strip() in {b"gzip", b"*"}:
            return weight.replace(b" ", b"") not in {b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"}
    return False


def compressing(send: Send) -> Send:
    """The answer's head waits for its body, which says whether all of it came at once."""
    held: Message | None = None

    async def compressed(message: Message) -> None:
        nonlocal held
        if message["type"] == "http.response.start":
            if _is_worth_it(message):
                held = message
            else:
                await send(message)
            return
        if held is not None:
            start, held = held, None
            if not message.get("more_body", False):
                message = await _compressed(start, message)
            await send(start)
        await send(message)

    return compressed


def _is_worth_it(start: Message) -> bool:
    length, media_type = 0, b""
    for name, value in cast("list[tuple[bytes, bytes]]", start.get("headers", ())):
        if name == b"content-length":
            length = int(value)
        elif name == b"content-type":
            media_type = value
        elif name in {b"etag", b"content-encoding", b"content-range"} or (
            name == b"cache-control" and b"no-transform" in value
        ):
            return False
    return length >= SMALLEST_BYTES and media_type.startswith(_TYPES)


async def _compressed(start: Message, message: Message) -> Message:
    body: bytes = message["body"]
    if len(body) > _IN_A_THREAD_BYTES:
        smaller = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
    else:
        smaller = gzip.compress(body, _LEVEL, mtime=0)
    others = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    start["headers"] = [
        *others,
        (b"content-encoding", b"gzip"),
        (b"content-length", str(len(smaller)).encode()),
        (b"vary", b"Accept-Encoding"),
    ]
    return {**message, "body": smaller}
