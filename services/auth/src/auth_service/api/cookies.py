"""Refresh tokens in a cookie, for browsers: out of reach of scripts, and no use to other sites' pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request, Response

from auth_service.domain.errors import csrf_failed
from auth_service.domain.macs import Macs
from auth_service.domain.refresh_tokens import RefreshToken, read_refresh_token
from auth_service.domain.sessions import SessionLimits
from auth_service.usecases.issue_tokens import IssuedTokens

REFRESH = "__Host-quartet-refresh"
CSRF = "__Host-quartet-csrf"
"""Read by the page's script, which sends it back as a header: a page of another site can do neither."""
CSRF_HEADER = "X-CSRF-Token"
_PURPOSE = "csrf"
BY_COOKIE = {
    "refresh_cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": REFRESH,
        "description": "Of a login with `cookie`.",
    },
    "csrf_token": {
        "type": "apiKey",
        "in": "header",
        "name": CSRF_HEADER,
        "description": "What that login told as `csrf_token`, beside the cookie.",
    },
}
"""Both together, as OpenAPI says it."""


def csrf_token(session_id: UUID, macs: Macs) -> str:
    return urlsafe_b64encode(macs.tag(_PURPOSE, session_id.bytes)).rstrip(b"=").decode()


def give_cookies(response: Response, issued: IssuedTokens, *, macs: Macs, limits: SessionLimits) -> None:
    age = int(limits.idle.total_seconds())
    token = csrf_token(issued.session_id, macs)
    response.set_cookie(
        REFRESH, issued.refresh_token, max_age=age, secure=True, httponly=True, samesite="strict"
    )
    response.set_cookie(CSRF, token, max_age=age, secure=True, samesite="strict")


def take_cookies_away(response: Response) -> None:
    response.delete_cookie(REFRESH, secure=True, httponly=True, samesite="strict")
    response.delete_cookie(CSRF, secure=True, samesite="strict")


def token_of_cookie(request: Request, macs: Macs) -> RefreshToken | None:
    """None without a cookie, or with one that was not given here; raises when another site may be asking."""
    text = request.cookies.get(REFRESH)
    token = None if text is None else read_refresh_token(text, macs)
    if token is None:
        return None
    refuse_other_sites(request)
    if not _fits(request.headers.get(CSRF_HEADER, ""), token.session_id, macs):
        raise csrf_failed()
    return token


def _fits(sent: str, session_id: UUID, macs: Macs) -> bool:
    """Also by a key that was active before: else its change would sign every browser out."""
    try:
        tag = urlsafe_b64decode(sent + "=" * (-len(sent) % 4))
    except ValueError:
        return False
    return macs.fits(tag, _PURPOSE, session_id.bytes)


def refuse_other_sites(request: Request) -> None:
    """Browsers of today say how the page is related to this host, older ones which page it is.

    Another host of the same site is another site's page unless it is listed: anybody's pages may stand there.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site in {"same-origin", "none"} or (site is None and origin is None):
        return
    if site not in {"same-site", None} or not _is_own_page(origin or "", request):
        raise csrf_failed()


def _is_own_page(origin: str, request: Request) -> bool:
    if origin in request.app.state.cors_origins:
        return True
    try:
        # by name alone, as cookies go: the gateway may be reached by another port than it listens at
        host = urlsplit(origin).hostname
        return host is not None and host == urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
