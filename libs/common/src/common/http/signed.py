"""Compact tokens: what a header may say, and claims signed with a published key. All else is refused."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, cast

from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import Key

from common.errors import Kind, QuartetError
from common.http.jwks import PublicKeys

ALGORITHM = "ES256"
TYPE = "at+jwt"
"""RFC 9068: no other kind of token passes for an access token."""

_HEADER = frozenset({"alg", "typ", "kid"})
_MOST_CHARACTERS = 4096
_MOST_HEADER_CHARACTERS = 512
_CLOCK_SKEW = timedelta(seconds=5)


def refused(code: str, detail: str) -> QuartetError:
    return QuartetError(code, detail, kind=Kind.UNAUTHENTICATED)


def scope_missing(*scopes: str) -> QuartetError:
    return QuartetError(
        "scope.missing",
        f"The token does not carry the scope {' '.join(sorted(scopes))}.",
        kind=Kind.FORBIDDEN,
    )


def malformed() -> NoReturn:
    raise refused("token.malformed", "This is no access token.") from None


def read_header(token: str) -> Mapping[str, object]:
    """What the token says about itself: read to choose how it is checked, believed in nothing."""
    parts = token.split(".")
    if len(token) > _MOST_CHARACTERS or not token.isascii() or len(parts) != 3:
        malformed()
    encoded = parts[0]
    if len(encoded) > _MOST_HEADER_CHARACTERS:
        malformed()
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        header = json.loads(raw, object_pairs_hook=_without_duplicates)
    except (binascii.Error, ValueError, RecursionError):
        malformed()
    if not isinstance(header, dict):
        malformed()
    return cast("dict[str, object]", header)


async def published_claims(
    token: str, header: Mapping[str, object], keys: PublicKeys, *, issuer: str, audience: str, now: datetime
) -> dict[str, Any]:
    """Of a token that auth signed for this audience."""
    claims = await issued_claims(token, header, keys, issuer=issuer, now=now)
    # One audience only: a token that is good for two could be carried from the one to the other.
    if claims.get("aud") not in (audience, [audience]):
        raise refused("token.wrong_audience", "The access token is meant for somebody else.")
    return claims


async def issued_claims(
    token: str, header: Mapping[str, object], keys: PublicKeys, *, issuer: str, now: datetime
) -> dict[str, Any]:
    """Of a token that auth signed for anybody; of its header only the key's id is its own choice."""
    if header.get("alg") != ALGORITHM:
        raise refused("token.wrong_algorithm", f"Access tokens are signed with {ALGORITHM}.")
    if header.get("typ") != TYPE:
        raise refused("token.wrong_type", "This is no access token but another kind of token.")
    kid = header.get("kid")
    if not isinstance(kid, str) or not header.keys() <= _HEADER:
        malformed()
    key = await keys.key(kid)
    if key is None:
        raise refused("token.unknown_key", "The access token is signed with a key that nobody knows.")
    claims = signed_claims(token, key, ALGORITHM)
    if claims.get("iss") != issuer:
        raise refused("token.wrong_issuer", "The access token is another issuer's.")
    check_times(claims, now)
    return claims


def signed_claims(token: str, key: Key, algorithm: str) -> dict[str, Any]:
    try:
        claims = json.loads(jws.deserialize_compact(token, key, algorithms=[algorithm]).payload)
    except BadSignatureError:
        raise refused("token.bad_signature", "The access token's signature does not fit.") from None
    except (JoseError, ValueError, RecursionError):
        malformed()
    if not isinstance(claims, dict):
        malformed()
    return cast("dict[str, Any]", claims)


def check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """It begins now or began; whether it has ended is looked at with every request."""
    begins = [moment(claims, name) for name in ("iat", "nbf") if name in claims]
    if any(begin > now + _CLOCK_SKEW for begin in begins):
        raise refused("token.not_yet_valid", "The access token is not valid yet.")


def moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        malformed()
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        malformed()


def words(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """A claim of words with spaces between them, as `scope` is."""
    value = claims.get(name, "")
    if not isinstance(value, str):
        malformed()
    return frozenset(value.split())


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two `alg` in one header: one reader would see the first, another the last."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members
