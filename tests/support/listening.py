"""Real servers on 127.0.0.1 with ports that the system chooses."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ssl import SSLContext

import httpx
from starlette.types import ASGIApp

from common.http.serving import Listener, Serving


@asynccontextmanager
async def served(app: ASGIApp, *, tls: SSLContext | None = None) -> AsyncGenerator[Serving]:
    serving = Serving([Listener("public", app, "127.0.0.1", 0, tls)])
    await serving.start()
    try:
        yield serving
    finally:
        await serving.stop(within_seconds=2)


@asynccontextmanager
async def client_of(app: ASGIApp, *, prefix: str = "") -> AsyncGenerator[httpx.AsyncClient]:
    """Without TLS, and without reading the authorities that it would trust."""
    async with served(app) as serving:
        base = f"http://127.0.0.1:{serving.port('public')}{prefix}"
        async with httpx.AsyncClient(base_url=base, trust_env=False, verify=False) as client:
            yield client
