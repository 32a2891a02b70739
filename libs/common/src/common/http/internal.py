"""Who may call an internal route: a short list of names that client certificates must carry."""

from typing import Annotated

from fastapi import Depends, Request

from common.errors import Kind, QuartetError
from common.http.connections import PEER
from common.http.documented import codes_of


class Caller:
    """A dependency: the caller's name, or a 401 without a certificate and a 403 with another's."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)
        self.problems = (
            *codes_of(Kind.UNAUTHENTICATED, "certificate.missing"),
            *codes_of(Kind.FORBIDDEN, "caller.not_allowed"),
        )

    async def __call__(self, request: Request) -> str:
        name: str | None = request.scope.get(PEER)
        if name is None:
            raise QuartetError(
                "certificate.missing",
                "This route asks for a client certificate of the installation.",
                kind=Kind.UNAUTHENTICATED,
            )
        if name not in self.names:
            raise QuartetError("caller.not_allowed", f"{name} may not call this route.", kind=Kind.FORBIDDEN)
        return name


def caller(*names: str) -> Caller:
    return Caller(*names)


operator = caller("operator")
Operator = Annotated[str, Depends(operator)]
