"""Load over kept-alive connections, in a process of its own: URL, seconds, connections; token on stdin.

With a rate as fourth argument no more than so many requests a second are sent, evenly. A second line on stdin
is a header of every request; a third line, with one token a connection, makes them changes of a profile.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from itertools import count, repeat
from urllib.parse import SplitResult, urlsplit

import uvloop


def reading(parts: SplitResult, token: str, header: str) -> Iterator[bytes]:
    lines = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
    return repeat(f"{lines}{header}\r\n".encode())


def changing(parts: SplitResult, token: str) -> Iterator[bytes]:
    """Each one something else than the one before."""
    lines = f"PATCH {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
    for number in count():
        body = json.dumps({"bio": f"This is what I say for the {number}th time."})
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        yield f"{lines}{about}{body}".encode()


async def caller(
    parts: SplitResult, requests: Iterator[bytes], until: float, seconds: list[float], pause: float
) -> None:
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    due = time.perf_counter() + pause * random.random()
    while time.perf_counter() < until:
        if pause:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += pause
        request = next(requests)
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 304")):
            raise SystemExit(f"neither 200 nor 304: {head[:60]!r}")
        if head.startswith(b"HTTP/1.1 200"):
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        seconds.append(time.perf_counter() - began)
    writer.close()


async def main(url: str, duration: float, connections: int, rate: float) -> None:
    parts = urlsplit(url)
    token, header, writers = (sys.stdin.readline().strip() for _ in range(3))
    if writers:
        requests = [changing(parts, one) for one in writers.split()]
    else:
        requests = [reading(parts, token, header and f"{header}\r\n")] * connections
    seconds: list[float] = []
    began = time.perf_counter()
    pause = connections / rate if rate else 0.0
    await asyncio.gather(*(caller(parts, one, began + duration, seconds, pause) for one in requests))
    took = time.perf_counter() - began
    seconds.sort()
    answer = {"requests": len(seconds), "rate": len(seconds) / took}
    print(json.dumps(answer | {"p50_ms": _at(seconds, 0.5), "p99_ms": _at(seconds, 0.99)}))


def _at(ordered: list[float], part: float) -> float:
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))]


if __name__ == "__main__":
    most = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), most))
