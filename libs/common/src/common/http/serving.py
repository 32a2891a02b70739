"""Several listeners in one process, a uvicorn server each; they leave when told, never by a signal."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import structlog
import uvicorn
from starlette.types import ASGIApp

from common.http.connections import HANG_UP_SECONDS, Connection, Connections

_log = structlog.get_logger("serving")

KEEP_ALIVE_SECONDS = 75
"""Longer than a gateway keeps idle connections (60 s), so that it is never the server who hangs up first."""
HANDSHAKE_SECONDS = 5.0
CLOSE_SECONDS = 10.0


@dataclass(frozen=True)
class Listener:
    name: str
    app: ASGIApp
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    setting: str = ""
    """The environment variable that moves it, named when the port is taken."""


class PortTakenError(Exception):
    """Somebody else listens where a listener should."""


class Serving:
    """All ports are bound before the first is served: a process listens completely or not at all."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = {listener.name: listener for listener in listeners}
        self._servers: dict[str, _Server] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        sockets: dict[str, socket.socket] = {}
        try:
            for name, listener in self._listeners.items():
                sockets[name] = _bind(listener)
        except BaseException:
            for bound in sockets.values():
                bound.close()
            raise
        for name, listener in self._listeners.items():
            server = _Server(_config(listener))
            self._servers[name] = server
            self._tasks[name] = asyncio.create_task(server.serve([sockets[name]]), name=f"serve {name}")
        for name, server in self._servers.items():
            task, ready = self._tasks[name], asyncio.create_task(server.ready.wait())
            await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if task.done():
                await task
            _log.info("listening", listener=name, port=self.port(name))

    def port(self, name: str) -> int:
        return self._servers[name].listening_port

    def tasks(self) -> dict[str, asyncio.Task[None]]:
        """For the watchdog: a listener whose task is done listens no more."""
        return dict(self._tasks)

    def send_callers_away(self) -> None:
        """Every answer from now on says `Connection: close`, so that callers' idle connections run out."""
        for server in self._servers.values():
            server.server_state.leaving = True

    async def stop(self, *names: str, within_seconds: float) -> None:
        """Stop accepting, hang up idle callers, let requests finish; who is not done in time is cancelled."""
        chosen = [name for name in (names or tuple(self._servers)) if name in self._servers]
        for name in chosen:
            self._servers[name].leave(within_seconds)
        stopped = await asyncio.gather(*(self._tasks[name] for name in chosen), return_exceptions=True)
        for name, outcome in zip(chosen, stopped, strict=True):
            if isinstance(outcome, BaseException):
                _log.error("listener failed", listener=name, exc_info=outcome)


class _Server(uvicorn.Server):
    """uvicorn's server without signal handlers, ten wake-ups a second and patience with idle callers."""

    server_state: Connections

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = Connections()
        self.ready = asyncio.Event()
        self.listening_port = 0
        self._leave = asyncio.Event()
        self._finish_seconds = 0.0

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    def leave(self, within_seconds: float) -> None:
        self._finish_seconds = within_seconds
        self._leave.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        (bound,) = sockets or []
        tls = self.config.ssl
        server = await asyncio.get_running_loop().create_server(
            self._connection,
            sock=bound,
            ssl=tls,
            backlog=self.config.backlog,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
            ssl_shutdown_timeout=CLOSE_SECONDS if tls else None,
        )
        self.servers = [server]
        self.listening_port = bound.getsockname()[1]
        self.started = True
        self.ready.set()

    def _connection(self) -> Connection:
        return Connection(config=self.config, server_state=self.server_state, app_state={})

    async def main_loop(self) -> None:
        while not self._leave.is_set():
            # Once a second for the Date header only.
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leave.wait(), timeout=1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's
        self.server_state.leaving = self.server_state.closed = True
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self.server_state.finished(within_seconds=self._finish_seconds)
        for task in list(self.server_state.tasks):
            task.cancel()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=HANG_UP_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _bind(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    try:
        return socket.create_server((listener.host, listener.port), family=family, backlog=2048)
    except OSError as error:
        hint = f"; {listener.setting} moves it" if listener.setting else ""
        raise PortTakenError(
            f"cannot listen on {listener.host}:{listener.port} ({listener.name}): {error.strerror}{hint}"
        ) from error


def _config(listener: Listener) -> uvicorn.Config:
    tls = listener.tls
    config = uvicorn.Config(
        listener.app,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    config.load()
    return config
