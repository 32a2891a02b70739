from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from auth_service.api.resources import UseResources

router = APIRouter(tags=["keys"])

_BY_SECRET = ["client_secret_basic", "client_secret_post"]
_Address = Annotated[str, Field(examples=["https://quartet.example/oauth/token"])]
_Methods = Annotated[list[str], Field(examples=[_BY_SECRET])]


class ConfigurationAnswer(BaseModel):
    """The members of RFC 8414 that are true here."""

    issuer: _Address = Field(description="Who signs the tokens: their `iss`.")
    jwks_uri: _Address = Field(description="The keys.")
    token_endpoint: _Address = Field(description="For services; users sign in at `/api/v1/auth`.")
    token_endpoint_auth_methods_supported: _Methods = Field(description="How a client proves itself.")
    revocation_endpoint: _Address = Field(description="Ends a session by one of its tokens.")
    revocation_endpoint_auth_methods_supported: _Methods = Field(description="`none`: the token is enough.")
    introspection_endpoint: _Address = Field(description="Whether a token counts now.")
    introspection_endpoint_auth_methods_supported: _Methods = Field(description="How a client proves itself.")
    grant_types_supported: list[str] = Field(
        description="What is granted.", examples=[["client_credentials"]]
    )
    response_types_supported: list[str] = Field(
        description="None: nobody is sent here to sign in.", examples=[[]]
    )


@router.get("/.well-known/openid-configuration", summary="Where the keys and the OAuth endpoints are")
async def get_configuration(resources: UseResources, response: Response) -> ConfigurationAnswer:
    response.headers["Cache-Control"] = "public, max-age=300"
    issuer = resources.tokens.issuer
    return ConfigurationAnswer(
        issuer=issuer,
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        token_endpoint=f"{issuer}/oauth/token",
        token_endpoint_auth_methods_supported=_BY_SECRET,
        revocation_endpoint=f"{issuer}/oauth/revoke",
        revocation_endpoint_auth_methods_supported=["none", *_BY_SECRET],
        introspection_endpoint=f"{issuer}/oauth/introspect",
        introspection_endpoint_auth_methods_supported=_BY_SECRET,
        grant_types_supported=["client_credentials"],
        response_types_supported=[],
    )
