from typing import Any

from fastapi import APIRouter, Response

from auth_service.api.resources import UseResources

router = APIRouter(tags=["keys"])


@router.get("/.well-known/jwks.json", summary="The public keys that access tokens are checked with")
async def get_jwks(resources: UseResources, response: Response) -> dict[str, list[dict[str, Any]]]:
    response.headers["Cache-Control"] = "public, max-age=60"
    return {"keys": await resources.signing_keys.public()}
