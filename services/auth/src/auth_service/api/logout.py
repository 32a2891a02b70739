from uuid import UUID

from fastapi import APIRouter, Request, Response

from auth_service.api.cookies import BY_COOKIE, take_cookies_away, token_of_cookie
from auth_service.api.resources import UseResources
from auth_service.api.schemas import RefreshRequest
from auth_service.domain.errors import refresh_token_invalid
from auth_service.domain.refresh_tokens import read_refresh_token
from auth_service.usecases.end_sessions import end_sessions
from common.errors import Kind
from common.http.documented import gives, raises
from common.http.operations import tells
from common.http.permissions import AccessToken

router = APIRouter(tags=["sessions"])


@router.post("/logout", status_code=204, summary="End this session")
@tells(lambda operation: operation.secured_by({}, BY_COOKIE, {"access_token": AccessToken().described()}))
@raises(Kind.UNAUTHENTICATED, "refresh_token.invalid")
@gives(AccessToken.problems)
@raises(Kind.FORBIDDEN, "csrf.failed")
async def post_logout(
    request: Request, resources: UseResources, body: RefreshRequest | None = None
) -> Response:
    """The session of the refresh token in the body or in the cookie, else of the access token.

    A refresh token is enough: access tokens have mostly expired when somebody comes back to sign out.
    """
    user_id, session_id = await _session(request, resources, body)
    if session_id is not None:
        async with resources.database.transaction(as_user=user_id) as tx:
            await end_sessions(
                tx,
                user_id=user_id,
                reason="logout",
                now=resources.clock(),
                new_id=resources.new_id,
                only=session_id,
            )
    response = Response(status_code=204)
    if body is None:
        # with a body another session was meant than that of a cookie which the browser sent by itself
        take_cookies_away(response)
    return response


async def _session(
    request: Request, resources: UseResources, body: RefreshRequest | None
) -> tuple[UUID, UUID | None]:
    if body is not None:
        token = read_refresh_token(body.refresh_token, resources.macs)
        if token is None:
            raise refresh_token_invalid()
        return token.user_id, token.session_id
    token = token_of_cookie(request, resources.macs)
    if token is not None:
        return token.user_id, token.session_id
    user = await AccessToken()(request)
    return user.user_id, user.session_id
