from fastapi import Response

from auth_service.api.cookies import csrf_token, give_cookies
from auth_service.api.resources import Resources
from auth_service.api.schemas import TokenAnswer
from auth_service.usecases.issue_tokens import IssuedTokens


def token_answer(
    response: Response, issued: IssuedTokens, resources: Resources, *, in_cookie: bool
) -> TokenAnswer:
    """In a cookie or in the body, never in both."""
    told = TokenAnswer(**vars(issued))
    if in_cookie:
        give_cookies(response, issued, macs=resources.macs, limits=resources.session_limits)
        told.refresh_token = None
        told.csrf_token = csrf_token(issued.session_id, resources.macs)
    return told
