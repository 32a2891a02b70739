from fastapi import APIRouter

from auth_service.api.devices import CurrentDevice
from auth_service.api.resources import UseResources
from auth_service.api.schemas import RefreshRequest, TokenAnswer
from auth_service.domain.errors import refresh_token_invalid, refresh_token_reused, session_ended
from auth_service.domain.refresh_tokens import read_refresh_token
from auth_service.usecases.refresh_session import RefreshRefusal, refresh_session

router = APIRouter(tags=["sessions"])


@router.post("/token/refresh", summary="Exchange a refresh token for new tokens")
async def post_refresh(body: RefreshRequest, resources: UseResources, device: CurrentDevice) -> TokenAnswer:
    """A lost answer is asked for again with the same token; a token older than that ends the session."""
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
            return TokenAnswer(**vars(await resources.tokens.issue(granted, now=now)))
