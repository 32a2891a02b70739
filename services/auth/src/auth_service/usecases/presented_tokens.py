"""What a token is that somebody presents at introspection or revocation: read here as everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from common.contracts.topics import SERVICES
from common.errors import Kind, QuartetError
from common.http.jwks import PublicKeys
from common.http.legacy import LegacyTokens, is_legacy
from common.http.principals import Principal, ServicePrincipal
from common.http.signed import issued_claims, read_header
from common.http.tokens import service_of, user_of


@dataclass(frozen=True)
class UserToken:
    user: Principal
    session_id: UUID
    claims: Mapping[str, Any]


@dataclass(frozen=True)
class ClientToken:
    service: ServicePrincipal
    claims: Mapping[str, Any]


@dataclass(frozen=True)
class OlderToken:
    user: Principal


Presented: TypeAlias = UserToken | ClientToken | OlderToken


@dataclass(frozen=True)
class TokenReader:
    keys: PublicKeys
    issuer: str
    audience: str
    legacy: LegacyTokens | None

    async def read(self, token: str, *, now: datetime) -> Presented | None:
        """None for what was not issued here, has expired, or is another kind of token."""
        try:
            return await self._read(token, now)
        except QuartetError as error:
            if error.kind is not Kind.UNAUTHENTICATED:
                raise
            return None

    async def _read(self, token: str, now: datetime) -> Presented | None:
        header = read_header(token)
        if self.legacy is not None and is_legacy(header):
            user = await self.legacy.principal(token, now)
            return OlderToken(user) if now < user.expires_at else None
        claims = await issued_claims(token, header, self.keys, issuer=self.issuer, now=now)
        if claims.get("aud") == self.audience:
            user = user_of(claims)
            if user.session_id is None or now >= user.expires_at:
                return None
            return UserToken(user, user.session_id, claims)
        service = service_of(claims)
        alive = claims.get("aud") in SERVICES and now < service.expires_at
        return ClientToken(service, claims) if alive else None
