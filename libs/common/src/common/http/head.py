"""HEAD is answered by whatever answers GET, without the body."""

from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _EnoughError(Exception):
    """Nobody wants the rest of this stream."""


async def answer_head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    scope["method"] = "GET"

    async def without_body(message: Message) -> None:
        # By it the server below knows that the announced length is not the body's.
        scope["method"] = "HEAD"
        if message["type"] == "http.response.start":
            await send(message)
            if not _has_length(message):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _EnoughError
        elif not message.get("more_body", False):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    try:
        await app(scope, receive, without_body)
    except _EnoughError:
        pass
    finally:
        scope["method"] = "HEAD"


def _has_length(start: Message) -> bool:
    headers = cast("list[tuple[bytes, bytes]]", start.get("headers", ()))
    return any(name == b"content-length" for name, _ in headers) or start["status"] in {204, 304}
