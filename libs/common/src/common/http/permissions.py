"""Policy in the signature: one alias for each permission. An endpoint that asks for none is public."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from common.errors import Kind, QuartetError
from common.http.answers import ADDED_HEADERS, RefusalError, add_header
from common.http.documented import codes_of
from common.http.principals import Acr, Principal, ServicePrincipal
from common.http.signed import refused, scope_missing
from common.http.tokens import AccessTokens, ServiceTokens

_OF_TOKENS = (
    *codes_of(Kind.UNAUTHENTICATED, "token.missing", "token.malformed", "token.wrong_algorithm"),
    *codes_of(Kind.UNAUTHENTICATED, "token.wrong_type", "token.unknown_key", "token.bad_signature"),
    *codes_of(Kind.UNAUTHENTICATED, "token.wrong_issuer", "token.wrong_audience", "token.not_yet_valid"),
    *codes_of(Kind.UNAUTHENTICATED, "token.expired", "token.revoked"),
    *codes_of(Kind.UNAVAILABLE, "token.keys_unavailable"),
)


class AccessToken(SecurityBase):
    """A dependency that also tells OpenAPI about the header; reads `app.state.access_tokens`."""

    problems = (
        *_OF_TOKENS,
        *codes_of(Kind.UNAVAILABLE, "token.revocations_unknown"),
        *codes_of(Kind.UNAUTHENTICATED, "token.legacy_ended", "token.legacy_subject"),
        *codes_of(Kind.FORBIDDEN, "scope.missing"),
    )

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token of auth's `/login`.")
        self.scheme_name = "access_token"

    def described(self) -> dict[str, Any]:
        """As OpenAPI names it, for a route that can do without."""
        return self.model.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def __call__(self, request: Request) -> Principal:
        tokens: AccessTokens = request.app.state.access_tokens
        user = await tokens.principal(_presented(request))
        if user.session_id is None and tokens.notice[0] not in request.scope.get(ADDED_HEADERS, ()):
            for name, value in tokens.notice:
                add_header(request.scope, name, value)
        return user


CurrentUser = Annotated[Principal, Depends(AccessToken())]


class Permission:
    """The user, if the token carries one of these roles and all of these scopes; else 403."""

    def __init__(self, *, roles: frozenset[str] = frozenset(), scopes: frozenset[str] = frozenset()) -> None:
        self.roles = roles
        self.scopes = scopes
        refusals = (*(("role.missing",) if roles else ()), *(("scope.missing",) if scopes else ()))
        self.problems = codes_of(Kind.FORBIDDEN, *refusals)

    async def __call__(self, user: CurrentUser) -> Principal:
        if self.roles and not self.roles & user.roles:
            raise QuartetError(
                "role.missing", "This asks for a role that you do not have.", kind=Kind.FORBIDDEN
            )
        _check_scopes(self.scopes, user.scopes)
        return user


CurrentAdmin = Annotated[Principal, Depends(Permission(roles=frozenset({"admin"})))]
CurrentStaff = Annotated[Principal, Depends(Permission(roles=frozenset({"staff", "admin"})))]
"""Support and administrators: they may look, and each look is audited."""


def require_scope(*scopes: str) -> Any:
    """`user: Annotated[Principal, require_scope("calendar:write")]`."""
    return Depends(Permission(scopes=frozenset(scopes)))


class Fresh:
    """The user, if they proved who they are no longer ago than this; else the challenge of RFC 9470."""

    problems = codes_of(Kind.UNAUTHENTICATED, "token.step_up_required")

    def __init__(self, seconds: int, *, acr: Acr | None = None) -> None:
        self._longest = timedelta(seconds=seconds)
        self._acr = acr
        wanted = f', acr_values="{acr}"' if acr else ""
        self._challenge = (
            'Bearer realm="quartet", error="insufficient_user_authentication", '
            f'error_description="token.step_up_required", max_age="{seconds}"{wanted}'
        )

    async def __call__(self, request: Request, user: CurrentUser) -> Principal:
        now: datetime = request.app.state.clock()
        if user.proved_within(self._longest, now=now) and (self._acr is None or user.reaches(self._acr)):
            return user
        raise RefusalError(
            "token.step_up_required",
            "This asks for a proof of who you are that is fresh: auth's /step-up takes one.",
            kind=Kind.UNAUTHENTICATED,
            headers={"WWW-Authenticate": self._challenge},
        )


def require_fresh(seconds: int, *, acr: Acr | None = None) -> Any:
    """`user: Annotated[Principal, require_fresh(300)]`; a sign-in is as good as a step-up without an acr."""
    return Depends(Fresh(seconds, acr=acr))


class ServiceToken(SecurityBase):
    """For routes of the internal port; reads `app.state.service_tokens`."""

    def __init__(self, *scopes: str) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="A service's token for this service.")
        self.scheme_name = "service_token"
        self.scopes = frozenset(scopes)
        self.problems = (*_OF_TOKENS, *(codes_of(Kind.FORBIDDEN, "scope.missing") if scopes else ()))

    async def __call__(self, request: Request) -> ServicePrincipal:
        tokens: ServiceTokens = request.app.state.service_tokens
        service = await tokens.principal(_presented(request))
        _check_scopes(self.scopes, service.scopes)
        return service


CurrentService = Annotated[ServicePrincipal, Depends(ServiceToken())]


def require_service_scope(*scopes: str) -> Any:
    """`service: Annotated[ServicePrincipal, require_service_scope("credentials:read")]`."""
    return Depends(ServiceToken(*scopes))


def _presented(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refused("token.missing", "This route asks for an access token: Authorization: Bearer ….")
    return token.strip()


def _check_scopes(asked: frozenset[str], given: frozenset[str]) -> None:
    if missing := asked - given:
        raise scope_missing(*missing)
