from typing import Any

from fastapi import APIRouter, Response

from auth_service.api.resources import UseResources

router = APIRouter(tags=["keys"])

_BY_SECRET = ["client_secret_basic", "client_secret_post"]


@router.get("/.well-known/openid-configuration", summary="Where the keys and the OAuth endpoints are")
async def get_configuration(resources: UseResources, response: Response) -> dict[str, Any]:
    """The members of RFC 8414 that are true here; users sign in at `/api/v1/auth`."""
    response.headers["Cache-Control"] = "public, max-age=300"
    issuer = resources.tokens.issuer
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "token_endpoint": f"{issuer}/oauth/token",
        "token_endpoint_auth_methods_supported": _BY_SECRET,
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["none", *_BY_SECRET],
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": _BY_SECRET,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
    }
