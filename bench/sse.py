"""What an open event stream costs: memory of each while 2,000 are idle, processor time of an event to all."""

import asyncio
import contextlib
import json
import resource
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psutil
import uvloop
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response, StreamingResponse

from bench._report import at_most, median, report
from common.http.app import create_app
from common.http.permissions import CurrentUser
from common.http.principals import Principal
from common.http.resources import UseStreams
from common.http.serving import Listener, Serving
from common.http.sse import EventStream, LastEventId, encode
from common.http.streams import Outlet, StreamEvent, Streams
from common.ids import new_id

CONNECTIONS = 2_000
EVENTS = 20
ROUNDS = 3
SERVERS = {"ours": "EventStream in our application", "bare": "Starlette's StreamingResponse, alone"}


class Callers:
    async def principal(self, token: str) -> Principal:
        return Principal(UUID(token), new_id(), datetime.now(UTC) + timedelta(hours=1))


def ours() -> tuple[FastAPI, Streams]:
    router = APIRouter()
    outlets: set[Outlet] = set()
    streams = Streams(revoked=frozenset(), heartbeat_seconds=3_600)

    @router.get("/feed")
    async def feed(user: CurrentUser, streams: UseStreams, since: LastEventId) -> EventStream:
        @contextlib.asynccontextmanager
        async def source(outlet: Outlet) -> AsyncGenerator[AsyncIterator[StreamEvent]]:
            outlets.add(outlet)
            yield nothing(since)
            outlets.remove(outlet)

        return EventStream(streams, user, source)

    @router.post("/publish")
    async def publish() -> int:
        event = StreamEvent(encode("x" * 60, event_id="1"))
        for outlet in outlets:
            outlet.put(event)
        return len(outlets)

    app = create_app(title="Feed", service="feed", routers=[router], prefix="")
    app.state.access_tokens = Callers()
    app.state.streams = streams
    return app, streams


async def nothing(_: str | None) -> AsyncIterator[StreamEvent]:
    return
    yield


def bare() -> FastAPI:
    """As small as the framework lets it be: no token, no middleware, no end but the caller's."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False})
    queues: set[asyncio.Queue[bytes]] = set()

    async def events() -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue(100)
        queues.add(queue)
        try:
            yield b"retry: 1000\n\n"
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)

    @app.get("/feed")
    async def feed(request: Request) -> Response:  # noqa: ARG001 - the framework passes it
        return StreamingResponse(events(), media_type="text/event-stream")

    @app.post("/publish")
    async def publish() -> int:
        for queue in queues:
            queue.put_nowait(b"id: 1\ndata: " + b"x" * 60 + b"\n\n")
        return len(queues)

    return app


async def serve(which: str) -> None:
    _let_open_many()
    stop = asyncio.Event()
    if which == "ours":
        app, streams = ours()
        beating = asyncio.create_task(streams.run(stop))
    else:
        app, beating = bare(), None
    serving = Serving([Listener("public", app, "127.0.0.1", 0)])
    await serving.start()
    print(json.dumps({"port": serving.port("public")}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    if beating is not None:
        await beating


async def measure(which: str) -> dict[str, Any]:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.sse", which),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    async for line in server.stdout:
        if b'"port"' in line:
            break
    port = json.loads(line)["port"]
    process = psutil.Process(server.pid)
    # what the first hundred bring into memory is the process', not a connection's
    warm = await _open(port, 100)
    await _publish(port, 100)
    before = process.memory_info().rss
    callers = await _open(port, CONNECTIONS)
    await asyncio.sleep(1)
    grown = process.memory_info().rss - before
    idle_from, began = sum(process.cpu_times()[:2]), time.perf_counter()
    await asyncio.sleep(5)
    idle = (sum(process.cpu_times()[:2]) - idle_from) / (time.perf_counter() - began)
    cpu_from = sum(process.cpu_times()[:2])
    for number in range(EVENTS):
        await _publish(port, CONNECTIONS + 100)
        await asyncio.gather(*(caller.count(number + 1) for caller in callers))
    cpu = sum(process.cpu_times()[:2]) - cpu_from
    after_events = process.memory_info().rss - before
    for caller in (*warm, *callers):
        caller.writer.close()
    server.kill()
    await server.wait()
    return {
        "kib": grown / CONNECTIONS / 1024,
        "kib_after": after_events / CONNECTIONS / 1024,
        "idle": 100 * idle,
        "us": cpu / (EVENTS * len(callers)) * 1e6,
    }


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._seen = 0

    async def count(self, wanted: int) -> None:
        while self._seen < wanted:
            line = await self.reader.readline()
            if not line:
                raise SystemExit("the server ended a stream")
            self._seen += line.startswith(b"data: ")


async def _open(port: int, number: int) -> list[Caller]:
    callers: list[Caller] = []
    for _ in range(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"GET /feed HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {new_id()}\r\n\r\n"
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"no 200: {head[:80]!r}")
        callers.append(Caller(reader, writer))
    return callers


async def _publish(port: int, expected: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /publish HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    if int(answer.rpartition(b"\r\n\r\n")[2]) != expected:
        raise SystemExit(f"not all streams are open: {answer[-40:]!r}")


def _let_open_many() -> None:
    wanted = CONNECTIONS + 600
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


async def compare() -> None:
    _let_open_many()
    measured: dict[str, list[dict[str, Any]]] = {which: [] for which in SERVERS}
    for _ in range(ROUNDS):
        for which, rounds in measured.items():
            rounds.append(await measure(which))
    report(
        "sse",
        f"{CONNECTIONS:,} event streams of one process",
        [
            {
                "server": SERVERS[which],
                "KiB each, idle": round(median([one["kib"] for one in rounds]), 1),
                "KiB each, after events": round(median([one["kib_after"] for one in rounds]), 1),
                "goal": at_most(round(median([one["kib"] for one in rounds]), 1), 34.2)
                if which == "ours"
                else "",
                "% of a core, idle": round(median([one["idle"] for one in rounds]), 2),
                "µs of CPU an event": round(median([one["us"] for one in rounds]), 1),
            }
            for which, rounds in measured.items()
        ],
        goal="at most 35 KB (34.2 KiB) a connection at 2,000 connections",
        rounds=ROUNDS,
    )


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]) if len(sys.argv) > 1 else compare())
