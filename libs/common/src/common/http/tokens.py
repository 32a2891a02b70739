"""Access tokens: who is calling, or a refusal with a stable code. What a token might choose is pinned."""

import base64
import binascii
import hashlib
import json
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError

from common.clock import Clock, utc_now
from common.errors import Kind, QuartetError
from common.http.jwks import PublicKeys

ALGORITHM = "ES256"
TYPE = "at+jwt"
"""RFC 9068: no other kind of token passes for an access token."""

_HEADER = frozenset({"alg", "typ", "kid"})
_MOST_CHARACTERS = 4096
_MOST_HEADER_CHARACTERS = 512
_CLOCK_SKEW = timedelta(seconds=5)
_REMEMBERED_FOR = timedelta(seconds=60)
_REMEMBERED_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    user_id: UUID
    session_id: UUID
    expires_at: datetime
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    until: datetime


class AccessTokens:
    """Signatures are remembered for a minute; expiry and revocation are looked at with every request."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        keys: PublicKeys,
        revoked: Container[UUID],
        clock: Clock = utc_now,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._revoked = revoked
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()

    async def principal(self, token: str) -> Principal:
        now = self._clock()
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._remembered.get(digest)
        if known is not None and now < known.until:
            principal = known.principal
        else:
            principal = await self._verify(token, now)
            self._remember(digest, principal, now)
        if now >= principal.expires_at:
            raise refused("token.expired", "The access token has expired.")
        if principal.session_id in self._revoked:
            raise refused("token.revoked", "The session of this access token has ended.")
        return principal

    async def _verify(self, token: str, now: datetime) -> Principal:
        key = await self._keys.key(_key_id(token))
        if key is None:
            raise refused("token.unknown_key", "The access token is signed with a key that nobody knows.")
        try:
            payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
            claims = json.loads(payload)
        except BadSignatureError:
            raise refused("token.bad_signature", "The access token's signature does not fit.") from None
        except (JoseError, ValueError, RecursionError):
            _malformed()
        if not isinstance(claims, dict):
            _malformed()
        return self._checked(cast("dict[str, Any]", claims), now)

    def _checked(self, claims: dict[str, Any], now: datetime) -> Principal:
        if claims.get("iss") != self._issuer:
            raise refused("token.wrong_issuer", "The access token is another issuer's.")
        audience = claims.get("aud")
        if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
            raise refused("token.wrong_audience", "The access token is meant for somebody else.")
        try:
            expires_at, issued_at = _moment(claims["exp"]), _moment(claims["iat"])
            not_before = _moment(claims.get("nbf", claims["iat"]))
            principal = Principal(
                user_id=UUID(claims["sub"]),
                session_id=UUID(claims["sid"]),
                expires_at=expires_at,
                roles=frozenset(_texts(claims.get("roles", []))),
                scopes=frozenset(_texts(str(claims.get("scope", "")).split())),
            )
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError):
            _malformed()
        if max(issued_at, not_before) > now + _CLOCK_SKEW:
            raise refused("token.not_yet_valid", "The access token is not valid yet.")
        return principal

    def _remember(self, digest: bytes, principal: Principal, now: datetime) -> None:
        self._remembered[digest] = _Remembered(principal, min(principal.expires_at, now + _REMEMBERED_FOR))
        self._remembered.move_to_end(digest)
        while len(self._remembered) > _REMEMBERED_TOKENS:
            self._remembered.popitem(last=False)


class AccessToken(SecurityBase):
    """A dependency that also tells OpenAPI about the header; reads `app.state.access_tokens`."""

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token of auth's `/login`.")
        self.scheme_name = "access_token"

    async def __call__(self, request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise refused("token.missing", "This route asks for an access token: Authorization: Bearer ….")
        tokens: AccessTokens = request.app.state.access_tokens
        return await tokens.principal(token.strip())


CurrentUser = Annotated[Principal, Depends(AccessToken())]


def refused(code: str, detail: str) -> QuartetError:
    return QuartetError(code, detail, kind=Kind.UNAUTHENTICATED)


def _malformed() -> NoReturn:
    raise refused("token.malformed", "This is no access token.") from None


def _key_id(token: str) -> str:
    """Reads the header and pins it; nothing in it but the key's id is for the token to choose."""
    parts = token.split(".")
    if len(token) > _MOST_CHARACTERS or not token.isascii() or len(parts) != 3:
        _malformed()
    encoded = parts[0]
    if len(encoded) > _MOST_HEADER_CHARACTERS:
        _malformed()
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        header = json.loads(raw, object_pairs_hook=_without_duplicates)
    except (binascii.Error, ValueError, RecursionError):
        _malformed()
    if not isinstance(header, dict):
        _malformed()
    members = cast("dict[str, object]", header)
    if members.get("alg") != ALGORITHM:
        raise refused("token.wrong_algorithm", f"Access tokens are signed with {ALGORITHM}.")
    if members.get("typ") != TYPE:
        raise refused("token.wrong_type", "This is no access token but another kind of token.")
    kid = members.get("kid")
    if not isinstance(kid, str) or not members.keys() <= _HEADER:
        _malformed()
    return kid


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two `alg` in one header: one reader would see the first, another the last."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _moment(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("no moment")
    return datetime.fromtimestamp(value, UTC)


def _texts(values: object) -> list[str]:
    if not isinstance(values, list) or not all(
        isinstance(value, str) for value in cast("list[object]", values)
    ):
        raise TypeError("no list of texts")
    return cast("list[str]", values)
