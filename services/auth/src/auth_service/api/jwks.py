from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from auth_service.api.resources import UseResources

router = APIRouter(tags=["keys"])

_KEY = {"kty": "EC", "crv": "P-256", "x": "…", "y": "…", "kid": "…", "use": "sig", "alg": "ES256"}


class JwksAnswer(BaseModel):
    keys: list[dict[str, Any]] = Field(
        description="Those that sign, and those whose tokens may still be around (RFC 7517).",
        examples=[[_KEY]],
    )


@router.get("/.well-known/jwks.json", summary="The public keys that access tokens are checked with")
async def get_jwks(resources: UseResources, response: Response) -> JwksAnswer:
    response.headers["Cache-Control"] = "public, max-age=60"
    return JwksAnswer(keys=await resources.signing_keys.public())
