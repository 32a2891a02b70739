from fastapi import APIRouter, Request, Response

from auth_service.api.answers import token_answer
from auth_service.api.cookies import BY_COOKIE, token_of_cookie
from auth_service.api.devices import CurrentDevice
from auth_service.api.resources import UseResources
from auth_service.api.schemas import RefreshRequest, TokenAnswer
from auth_service.domain.errors import refresh_token_invalid, refresh_token_reused, session_ended
from auth_service.domain.refresh_tokens import read_refresh_token
from auth_service.usecases.refresh_session import RefreshRefusal, refresh_session
from common.errors import Kind
from common.http.documented import raises
from common.http.operations import tells

router = APIRouter(tags=["sessions"])


@router.post("/token/refresh", summary="Exchange a refresh token for new tokens")
@tells(lambda operation: operation.secured_by({}, BY_COOKIE))
@raises(Kind.UNAUTHENTICATED, "refresh_token.invalid", "refresh_token.reused", "session.ended")
@raises(Kind.FORBIDDEN, "csrf.failed")
@raises(Kind.UNAVAILABLE, "auth.signing_key_missing")
async def post_refresh(
    request: Request,
    response: Response,
    resources: UseResources,
    device: CurrentDevice,
    body: RefreshRequest | None = None,
) -> TokenAnswer:
    """A lost answer is asked for again with the same token; a token older than that ends the session.

    Without a body the token is taken from the cookie, and `X-CSRF-Token` must be what the login told.
    """
    if body is None:
        token = token_of_cookie(request, resources.macs)
    else:
        token = read_refresh_token(body.refresh_token, resources.macs)
    if token is None:
        raise refresh_token_invalid()
    now = resources.clock()
    outcome = await refresh_session(
        resources.database,
        token,
        device=device,
        limits=resources.session_limits,
        now=now,
        new_id=resources.new_id,
    )
    match outcome:
        case RefreshRefusal.ENDED:
            raise session_ended()
        case RefreshRefusal.REUSED:
            raise refresh_token_reused()
        case RefreshRefusal.UNKNOWN:
            raise refresh_token_invalid()
        case granted:
            issued = await resources.tokens.issue(granted, now=now)
            return token_answer(response, issued, resources, in_cookie=body is None)
