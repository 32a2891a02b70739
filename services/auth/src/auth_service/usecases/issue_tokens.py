from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from joserfc import jwt

from auth_service.domain.errors import signing_key_missing
from auth_service.domain.macs import Macs
from auth_service.domain.tokens import ACCESS_TOKEN_LIFETIME, AccessClaims
from auth_service.usecases.signing_keys import SigningKeys
from auth_service.usecases.start_session import SessionGrant
from common.ids import NewId

TYPE = "at+jwt"
"""RFC 9068: an access token is never mistaken for another kind of token."""


@dataclass(frozen=True)
class IssuedTokens:
    access_token: str
    expires_in: int
    refresh_token: str
    session_id: UUID


@dataclass(frozen=True)
class TokenIssuer:
    signing_keys: SigningKeys
    macs: Macs
    issuer: str
    audience: str
    new_id: NewId

    async def issue(self, grant: SessionGrant, *, now: datetime) -> IssuedTokens:
        """After the transaction: signing needs no connection."""
        key = await self.signing_keys.signing()
        if key is None:
            raise signing_key_missing()
        claims = AccessClaims(
            user_id=grant.user_id,
            session_id=grant.session_id,
            token_id=self.new_id(),
            issuer=self.issuer,
            audience=self.audience,
            issued_at=now,
            auth_time=grant.auth_time,
            amr=grant.amr,
            acr=grant.acr,
            role=grant.role,
        )
        header = {"alg": "ES256", "typ": TYPE, "kid": key.kid}
        return IssuedTokens(
            access_token=jwt.encode(header, claims.as_json(), key, algorithms=["ES256"]),
            expires_in=int(ACCESS_TOKEN_LIFETIME.total_seconds()),
            refresh_token=grant.refresh.written(self.macs),
            session_id=grant.session_id,
        )
