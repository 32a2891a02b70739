"""What a token is that somebody presents at introspection or revocation: read here as everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from common.errors import Kind, QuartetError
from common.http.jwks import PublicKeys
from common.http.legacy import LegacyTokens, is_legacy
from common.http.principals import Principal
from common.http.signed import issued_claims, moment, read_header


@dataclass(frozen=True)
class UserToken:
    user_id: UUID
    session_id: UUID
    claims: Mapping[str, Any]


@dataclass(frozen=True)
class ClientToken:
    client_id: str
    claims: Mapping[str, Any]


@dataclass(frozen=True)
class OlderToken:
    principal: Principal


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
            principal = await self.legacy.principal(token, now)
            return OlderToken(principal) if now < principal.expires_at else None
        claims = await issued_claims(token, header, self.keys, issuer=self.issuer, now=now)
        if now >= moment(claims, "exp"):
            return None
        if "sid" not in claims:
            client_id = claims.get("client_id")
            return ClientToken(client_id, claims) if isinstance(client_id, str) else None
        if claims.get("aud") != self.audience:
            return None
        return UserToken(UUID(claims["sub"]), UUID(claims["sid"]), claims)
