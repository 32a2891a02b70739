"""Answers the command: one request a connection, progress while it lasts, one result at its end."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

from quartet_cli.supervisor.protocol import TICK_SECONDS, Message, encode
from quartet_cli.supervisor.supervisor import Event, RefusedError, Supervisor

UP_SECONDS = 1200.0
RESTART_SECONDS = 300.0
DOWN_SECONDS = 180.0
STATUS_SECONDS = 10.0
REQUEST_SECONDS = 5.0

Answer = Callable[[Message], Awaitable[Message]]


class Server:
    def __init__(self, supervisor: Supervisor, *, code: str) -> None:
        self._supervisor = supervisor
        self._code = code
        """Of the command that started this supervisor: a newer command replaces an older supervisor."""
        self._verbs: dict[str, tuple[Answer, float]] = {
            "up": (self._up, UP_SECONDS),
            "restart": (self._restart, RESTART_SECONDS),
            "down": (self._down, DOWN_SECONDS),
            "status": (self._status, STATUS_SECONDS),
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client that goes away ends its connection, never the work that it asked for."""
        try:
            request = await self._request(reader)
            await self._answer(request, writer)
        except (ConnectionError, TimeoutError, ValueError):
            return
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _request(self, reader: asyncio.StreamReader) -> Message:
        async with asyncio.timeout(REQUEST_SECONDS):
            line = await reader.readline()
        request: Any = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError("a request is an object")  # noqa: TRY004 - the peer's fault, not the caller's
        return cast("Message", request)

    async def _answer(self, request: Message, writer: asyncio.StreamWriter) -> None:
        verb, seconds = self._verbs.get(str(request.get("verb")), (self._unknown, STATUS_SECONDS))
        work = asyncio.create_task(self._within(verb(request), seconds))
        async with self._supervisor.events() as events:
            while not work.done():
                for event in await _next_events(events, work):
                    writer.write(encode(event))
                await writer.drain()
            while not events.empty():
                writer.write(encode(events.get_nowait()))
        writer.write(encode({"event": "result", **work.result()}))
        await writer.drain()

    async def _within(self, answer: Awaitable[Message], seconds: float) -> Message:
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            return {"ok": False, "error": f"not done after {seconds:g} s"}
        except RefusedError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the client is told and does not hang
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    async def _up(self, _: Message) -> Message:
        return _outcome(await self._supervisor.up())

    async def _restart(self, request: Message) -> Message:
        names = [str(name) for name in cast("list[object]", request.get("parts") or [])]
        return _outcome(await self._supervisor.restart(names))

    async def _down(self, _: Message) -> Message:
        await self._supervisor.down()
        return {"ok": True}

    async def _status(self, request: Message) -> Message:
        parts = await self._supervisor.status(memory=bool(request.get("memory")))
        return {"ok": True, "code": self._code, "parts": parts}

    async def _unknown(self, request: Message) -> Message:
        return {"ok": False, "error": f"unknown request {request.get('verb')!r}"}


def _outcome(missing: list[str]) -> Message:
    return {"ok": not missing, "missing": missing}


async def _next_events(events: "asyncio.Queue[Event]", work: "asyncio.Task[Message]") -> list[Event]:
    """At least a tick, so that the client knows that somebody is there."""
    waiting = asyncio.create_task(events.get())
    await asyncio.wait({waiting, work}, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if waiting.done():
        return [waiting.result()]
    waiting.cancel()
    return [{"event": "tick"}]
