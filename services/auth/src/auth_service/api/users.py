"""Who calls auth's own routes: whoever does has been seen, which the list of sessions tells."""

from typing import Annotated

from fastapi import Depends, Request

from auth_service.api.resources import Resources
from common.http.permissions import AccessToken
from common.http.principals import Principal


class SeenToken(AccessToken):
    async def __call__(self, request: Request) -> Principal:
        user = await super().__call__(request)
        resources: Resources = request.app.state.resources
        resources.seen.note(user)
        return user


CurrentUser = Annotated[Principal, Depends(SeenToken())]
