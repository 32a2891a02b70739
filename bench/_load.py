"""Load over kept-alive connections, in a process of its own: URL, seconds, connections; token on stdin.

With a rate as fourth argument no more than so many requests a second are sent, evenly.
"""

import asyncio
import json
import random
import sys
import time
from urllib.parse import urlsplit

import uvloop


async def caller(url: str, token: str, until: float, seconds: list[float], pause: float) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request = (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    due = time.perf_counter() + pause * random.random()
    while time.perf_counter() < until:
        if pause:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += pause
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"no 200: {head[:60]!r}")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - began)
    writer.close()


async def main(url: str, duration: float, connections: int, token: str, rate: float) -> None:
    seconds: list[float] = []
    began = time.perf_counter()
    pause = connections / rate if rate else 0.0
    await asyncio.gather(*(caller(url, token, began + duration, seconds, pause) for _ in range(connections)))
    took = time.perf_counter() - began
    seconds.sort()
    answer = {"rate": len(seconds) / took, "p50_ms": _at(seconds, 0.5), "p99_ms": _at(seconds, 0.99)}
    print(json.dumps(answer))


def _at(ordered: list[float], part: float) -> float:
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))]


if __name__ == "__main__":
    most = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.stdin.readline().strip(), most))
