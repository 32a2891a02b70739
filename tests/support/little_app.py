"""An application of a few routes over a real database; the caller is one user, and no server is between."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from fastapi import APIRouter, FastAPI

from common.http.app import create_app
from common.http.principals import Principal
from common.ids import new_id
from common.postgres.engine import Database

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Known:
    """Takes a token for the id of its user."""

    async def principal(self, token: str) -> Principal:
        return Principal(
            user_id=UUID(token), session_id=new_id(), expires_at=datetime.max.replace(tzinfo=UTC)
        )


def little_app(database: Database, routers: Sequence[APIRouter]) -> FastAPI:
    app = create_app(title="little", service="little", root_routers=routers, documented=False)
    app.state.database = database
    app.state.access_tokens = Known()
    return app


def client_of(app: Any, user: UUID) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://little",
        headers={"Authorization": f"Bearer {user}"},
    )


async def call(app: FastAPI, path: str, user: UUID, send: Send) -> None:
    """One request as a server makes it, without a client: cheap enough for a hundred thousand."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {user}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "app": app,
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(scope, receive, send)
