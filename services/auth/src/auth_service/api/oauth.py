from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from auth_service.api.forms import MEDIA_TYPE, CurrentClient, SentForm, known_client, presented_credentials
from auth_service.api.limits import OAUTH_INTROSPECT, OAUTH_REVOKE, OAUTH_TOKEN
from auth_service.api.oauth_errors import REFUSALS, oauth_error
from auth_service.api.resources import UseResources
from auth_service.usecases.introspect import introspect
from auth_service.usecases.issue_service_token import GrantRefusal, issue_service_token
from auth_service.usecases.revoke_token import Revocation, revoke_token
from common.errors import Kind
from common.http.documented import raises
from common.http.limited import per_address

router = APIRouter(prefix="/oauth", tags=["oauth"])

_SECRETS = {
    "client_id": {"type": "string", "description": "Unless it stands in the header.", "examples": ["chat"]},
    "client_secret": {
        "type": "string",
        "description": "Unless it stands in the header.",
        "examples": ["as it was told once"],
    },
}


def _form(required: str, /, **fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": [required], "properties": {**fields, **_SECRETS}}
    return {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": schema}}}}


_TOKEN: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "description": "As it was issued.",
    "examples": ["qrt1_AZoEUNMmcQ"],
}
_HINT: dict[str, Any] = {
    "type": "string",
    "description": "Not needed: a token shows what it is.",
    "examples": ["refresh_token"],
}


class ServiceTokenAnswer(BaseModel):
    access_token: str = Field(
        description="A JWT for `Authorization: Bearer` at the internal port it is for.",
        examples=["eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMWExIn0.c2ln"],
    )
    token_type: Literal["Bearer"] = Field(default="Bearer", description="How the token is sent.")
    expires_in: int = Field(description="Seconds until it ends; nothing ends it before.", examples=[300])
    scope: str = Field(description="What it is good for.", examples=["credentials:read"])


class IntrospectionAnswer(BaseModel):
    """The claims of an active token; of any other nothing but that it is not."""

    model_config = ConfigDict(extra="allow")

    active: bool = Field(description="Whether the token counts, at this moment and by the database.")
    token_type: str | None = Field(default=None, description="How it is sent: `Bearer`.", examples=["Bearer"])
    sub: str | None = Field(
        default=None,
        description="The user's id, or the client's.",
        examples=["01a1f2c4-7d00-7000-8000-3b9e5c0a1f21"],
    )
    client_id: str | None = Field(
        default=None, description="The client's, when it is a service's token.", examples=["chat"]
    )
    sid: str | None = Field(default=None, description="The user's session.")
    aud: str | None = Field(default=None, description="Whom it is for.", examples=["quartet"])
    iss: str | None = Field(default=None, description="Who signed it.", examples=["https://quartet.example"])
    scope: str | None = Field(default=None, description="What it is good for.", examples=["calendar:read"])
    roles: list[str] | None = Field(
        default=None, description="The user's roles at this moment.", examples=[["user"]]
    )
    exp: int | None = Field(
        default=None, description="When it ends, in seconds since 1970.", examples=[1795341600]
    )
    iat: int | None = Field(
        default=None, description="When it was issued, in seconds since 1970.", examples=[1795341000]
    )


@router.post(
    "/token",
    summary="A token for one service to call another",
    response_model=ServiceTokenAnswer,
    responses=REFUSALS,
    dependencies=[per_address(OAUTH_TOKEN)],
    openapi_extra=_form(
        "grant_type",
        grant_type={"type": "string", "enum": ["client_credentials"]},
        audience={
            "type": "string",
            "description": "The service to call; needed when the client may call several.",
            "examples": ["calendar"],
        },
        scope={
            "type": "string",
            "description": "Less than the client may; all of that without this field.",
            "examples": ["events:read"],
        },
    ),
)
@raises(Kind.MALFORMED, "oauth.unsupported_grant_type", "oauth.invalid_scope", "oauth.invalid_target")
@raises(Kind.UNAVAILABLE, "auth.signing_key_missing")
async def post_token(form: SentForm, client: CurrentClient, resources: UseResources) -> Response:
    """OAuth 2's client credentials (RFC 6749, 4.4). Users do not sign in here."""
    if form.asked("grant_type") != "client_credentials":
        raise oauth_error("unsupported_grant_type", "Only client_credentials is granted here.")
    asked = form.fields.get("scope")
    issued = await issue_service_token(
        resources.signing_keys,
        client,
        issuer=resources.tokens.issuer,
        audience=form.fields.get("audience"),
        scopes=None if asked is None else frozenset(asked.split()),
        now=resources.clock(),
        new_id=resources.new_id,
    )
    match issued:
        case GrantRefusal.AUDIENCE:
            raise oauth_error("invalid_target", "The client may not ask for a token for this audience.")
        case GrantRefusal.SCOPE:
            raise oauth_error("invalid_scope", "The client may not ask for all of these scopes.")
        case granted:
            return _json(ServiceTokenAnswer(**vars(granted)))


@router.post(
    "/revoke",
    summary="End the session that a token belongs to",
    response_class=Response,
    responses=REFUSALS,
    dependencies=[per_address(OAUTH_REVOKE)],
    openapi_extra=_form("token", token=_TOKEN, token_type_hint=_HINT),
)
@raises(Kind.MALFORMED, "oauth.unsupported_token_type")
@raises(Kind.UNAUTHENTICATED, "oauth.invalid_client")
async def post_revoke(request: Request, form: SentForm, resources: UseResources) -> Response:
    """RFC 7009, for a refresh token or an access token; whoever holds it may, without a secret of a client.

    Every token of the session is refused everywhere within a second. A token that is not known is no error.
    """
    token = form.asked("token")
    credentials = presented_credentials(request, form)
    if credentials is not None:
        await known_client(resources, credentials)
    outcome = await revoke_token(
        resources.database,
        resources.presented,
        resources.macs,
        token,
        now=resources.clock(),
        new_id=resources.new_id,
    )
    if outcome is Revocation.NO_SESSION:
        raise oauth_error("unsupported_token_type", "It belongs to no session: only its expiry ends it.")
    return Response(status_code=200)


@router.post(
    "/introspect",
    summary="Whether a token counts at this moment",
    response_model=IntrospectionAnswer,
    response_model_exclude_none=True,
    responses=REFUSALS,
    dependencies=[per_address(OAUTH_INTROSPECT)],
    openapi_extra=_form("token", token=_TOKEN, token_type_hint=_HINT),
)
async def post_introspect(form: SentForm, _: CurrentClient, resources: UseResources) -> Response:
    """RFC 7662, for services: the database is asked, so that what has ended has ended at once.

    Access tokens only: a refresh token is nothing that a service could be shown.
    """
    claims = await introspect(
        resources.database, resources.presented, form.asked("token"), now=resources.clock()
    )
    if claims is None:
        return _json(IntrospectionAnswer(active=False))
    return _json(IntrospectionAnswer(active=True, token_type="Bearer", **claims))  # noqa: S106 - no secret


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")
