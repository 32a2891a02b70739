from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from joserfc import jwt

from auth_service.domain.errors import signing_key_missing
from auth_service.domain.service_clients import SERVICE_TOKEN_LIFETIME, ServiceClient
from auth_service.usecases.issue_tokens import TYPE
from auth_service.usecases.signing_keys import SigningKeys
from common.ids import NewId


class GrantRefusal(StrEnum):
    AUDIENCE = "audience"
    SCOPE = "scope"


@dataclass(frozen=True)
class IssuedServiceToken:
    access_token: str
    expires_in: int
    scope: str


async def issue_service_token(
    signing_keys: SigningKeys,
    client: ServiceClient,
    *,
    issuer: str,
    audience: str | None,
    scopes: frozenset[str] | None,
    now: datetime,
    new_id: NewId,
) -> IssuedServiceToken | GrantRefusal:
    """For one audience, and for no more than the client may; without scopes asked for, for all of that."""
    if audience is None and len(client.audiences) == 1:
        (audience,) = client.audiences
    if audience is None or audience not in client.audiences:
        return GrantRefusal.AUDIENCE
    granted = client.scopes if scopes is None else scopes
    if not granted <= client.scopes:
        return GrantRefusal.SCOPE
    return await sign_service_token(
        signing_keys,
        client.client_id,
        issuer=issuer,
        audience=audience,
        scopes=granted,
        now=now,
        new_id=new_id,
    )


async def sign_service_token(
    signing_keys: SigningKeys,
    client_id: str,
    *,
    issuer: str,
    audience: str,
    scopes: frozenset[str],
    now: datetime,
    new_id: NewId,
) -> IssuedServiceToken:
    """Asks nobody whether the client may."""
    key = await signing_keys.signing()
    if key is None:
        raise signing_key_missing()
    scope = " ".join(sorted(scopes))
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": client_id,
        "client_id": client_id,
        "jti": str(new_id()),
        "scope": scope,
        "iat": int(now.timestamp()),
        "exp": int((now + SERVICE_TOKEN_LIFETIME).timestamp()),
    }
    header = {"alg": "ES256", "typ": TYPE, "kid": key.kid}
    return IssuedServiceToken(
        access_token=jwt.encode(header, claims, key, algorithms=["ES256"]),
        expires_in=int(SERVICE_TOKEN_LIFETIME.total_seconds()),
        scope=scope,
    )
