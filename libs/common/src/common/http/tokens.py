"""Access tokens: who is calling, or a refusal with a stable code. What a token might choose is pinned."""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from common.clock import Clock, utc_now
from common.http.jwks import PublicKeys
from common.http.legacy import LegacyTokens, count_accepted, is_legacy
from common.http.principals import Principal, ServicePrincipal
from common.http.signed import (
    malformed,
    moment,
    published_claims,
    read_header,
    refused,
    scope_missing,
    words,
)

_REMEMBERED_FOR = timedelta(seconds=60)
_REMEMBERED_TOKENS = 10_000

PrincipalT = TypeVar("PrincipalT", Principal, ServicePrincipal)


class AccessTokens:
    """What a signature says is remembered for a minute; revocation is looked at with every request."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        keys: PublicKeys,
        revoked: Container[UUID],
        legacy: LegacyTokens | None = None,
        scope: str | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """With a scope, a token that does not carry it is good for nothing here."""
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._revoked = revoked
        self._legacy = legacy
        self._scope = scope
        self._clock = clock
        self._remembered: _Memory[Principal] = _Memory()

    @property
    def notice(self) -> tuple[tuple[bytes, bytes], ...]:
        """Headers for whoever comes with a token of the older system."""
        return () if self._legacy is None else self._legacy.notice

    async def principal(self, token: str) -> Principal:
        principal = await self._remembered.principal(token, self._clock(), self._verify)
        if principal.session_id is None:
            count_accepted()
        elif principal.session_id in self._revoked:
            raise refused("token.revoked", "The session of this access token has ended.")
        if self._scope is not None and self._scope not in principal.scopes:
            raise scope_missing(self._scope)
        return principal

    async def _verify(self, token: str, now: datetime) -> Principal:
        header = read_header(token)
        if self._legacy is not None and is_legacy(header):
            return await self._legacy.principal(token, now)
        claims = await published_claims(
            token, header, self._keys, issuer=self._issuer, audience=self._audience, now=now
        )
        return user_of(claims)


class ServiceTokens:
    """Tokens of other services for this one: `aud` is the service's own name, and there is no session."""

    def __init__(self, *, issuer: str, service: str, keys: PublicKeys, clock: Clock = utc_now) -> None:
        self._issuer = issuer
        self._service = service
        self._keys = keys
        self._clock = clock
        self._remembered: _Memory[ServicePrincipal] = _Memory()

    async def principal(self, token: str) -> ServicePrincipal:
        return await self._remembered.principal(token, self._clock(), self._verify)

    async def _verify(self, token: str, now: datetime) -> ServicePrincipal:
        claims = await published_claims(
            token, read_header(token), self._keys, issuer=self._issuer, audience=self._service, now=now
        )
        return service_of(claims)


def user_of(claims: Mapping[str, Any]) -> Principal:
    return Principal(
        user_id=_id(claims, "sub"),
        session_id=_id(claims, "sid"),
        expires_at=_expiry(claims),
        roles=_texts(claims, "roles"),
        scopes=words(claims, "scope"),
        auth_time=moment(claims, "auth_time") if "auth_time" in claims else None,
        acr=_text(claims, "acr"),
        amr=_texts(claims, "amr"),
    )


def service_of(claims: Mapping[str, Any]) -> ServicePrincipal:
    client_id = claims.get("client_id")
    if not isinstance(client_id, str) or not client_id or client_id != claims.get("sub"):
        malformed()
    if "sid" in claims:
        raise refused("token.wrong_type", "This is a user's token; a service's is asked for.")
    return ServicePrincipal(client_id=client_id, expires_at=_expiry(claims), scopes=words(claims, "scope"))


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[PrincipalT]):
    principal: PrincipalT
    until: datetime


class _Memory(Generic[PrincipalT]):
    """Of tokens that were verified; whether one has expired is looked at each time."""

    def __init__(self) -> None:
        self._held: OrderedDict[bytes, _Remembered[PrincipalT]] = OrderedDict()

    async def principal(
        self, token: str, now: datetime, verify: Callable[[str, datetime], Awaitable[PrincipalT]]
    ) -> PrincipalT:
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._held.get(digest)
        if known is not None and now < known.until:
            return known.principal
        principal = await verify(token, now)
        if now >= principal.expires_at:
            raise refused("token.expired", "The token has expired.")
        self._add(digest, principal, now)
        return principal

    def _add(self, digest: bytes, principal: PrincipalT, now: datetime) -> None:
        self._held[digest] = _Remembered(principal, min(principal.expires_at, now + _REMEMBERED_FOR))
        self._held.move_to_end(digest)
        while len(self._held) > _REMEMBERED_TOKENS:
            self._held.popitem(last=False)


def _id(claims: Mapping[str, Any], name: str) -> UUID:
    try:
        return UUID(claims[name])
    except (KeyError, ValueError, TypeError, AttributeError):
        malformed()


def _expiry(claims: Mapping[str, Any]) -> datetime:
    moment(claims, "iat")
    return moment(claims, "exp")


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        malformed()
    return value


def _texts(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    values = claims.get(name, [])
    if not isinstance(values, list) or not all(isinstance(one, str) for one in cast("list[object]", values)):
        malformed()
    return frozenset(cast("list[str]", values))
