from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from auth_service.api.limits import MAILBOX, MAILBOX_RESET
from auth_service.api.resources import UseResources
from auth_service.domain.email import EmailAddress
from common.http.limited import Limited, count


class PerMailbox(Limited):
    """Gives the route what counts a mail to an address: the same whether or not anybody knows it."""

    async def __call__(
        self, request: Request, resources: UseResources
    ) -> Callable[[EmailAddress], Awaitable[None]]:
        async def counted(email: EmailAddress) -> None:
            # a tag: Redis holds no address, and whoever reads it cannot try some
            await count(request, self.limit, resources.macs.tag("mailbox", email.compared.encode()).hex())

        return counted


CountMailTo = Annotated[Callable[[EmailAddress], Awaitable[None]], Depends(PerMailbox(MAILBOX))]
CountResetTo = Annotated[Callable[[EmailAddress], Awaitable[None]], Depends(PerMailbox(MAILBOX_RESET))]
