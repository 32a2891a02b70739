"""How large a body may be: as the settings say, and more on the few routes that say so themselves."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from fastapi.routing import iter_route_contexts
from starlette.types import Scope

CallT = TypeVar("CallT", bound=Callable[..., Any])


def takes_up_to(limit_bytes: int) -> Callable[[CallT], CallT]:
    """On a route whose path has no parameters."""

    def marked(call: CallT) -> CallT:
        cast("Any", call).body_limit_bytes = limit_bytes
        return call

    return marked


class BodyLimits:
    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._own: dict[tuple[str, str], int] | None = None

    def of(self, scope: Scope) -> int:
        """Before routing; the routes are looked through when first asked, when all of them are there."""
        if self._own is None:
            self._own = _own_limits(scope["app"])
        return self._own.get((scope["method"], scope["path"]), self._limit)


def _own_limits(app: Any) -> dict[tuple[str, str], int]:
    return {
        (method, context.path_format): limit
        for context in iter_route_contexts(app.routes)
        if (limit := getattr(context.endpoint, "body_limit_bytes", None)) is not None
        and context.path_format is not None
        for method in context.methods or ()
    }
