"""Tokens of every kind, good and forged: signed by hand, so that headers and claims may say anything."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from joserfc import jws
from joserfc.jwk import ECKey

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ISSUER = "https://quartet.example"


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": kid})


KEY = new_key("first")


def claims(**changes: Any) -> dict[str, Any]:
    usual = {
        "iss": ISSUER,
        "aud": "quartet",
        "sub": str(uuid4()),
        "sid": str(uuid4()),
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(minutes=10)).timestamp()),
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def token(
    said: dict[str, Any] | None = None, *, key: ECKey = KEY, header: dict[str, Any] | None = None
) -> str:
    members = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **(header or {})}
    return encoded(members, json.dumps(said if said is not None else claims()).encode(), key)


def encoded(header: dict[str, Any], payload: bytes, key: ECKey) -> str:
    """Signed by hand, so that a header may say anything."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(payload)}"
    signature = jws.JWSRegistry.algorithms["ES256"].sign(signed.encode(), key)
    return f"{signed}.{b64(signature)}"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Keys:
    def __init__(self, *keys: ECKey) -> None:
        self.keys = {str(key.kid): key for key in keys}
        self.asked = 0

    async def key(self, kid: str) -> ECKey | None:
        self.asked += 1
        return self.keys.get(kid)


LEGACY_SECRET = "the older system's secret, long enough"


def hs256(
    said: dict[str, Any], secret: str | bytes = LEGACY_SECRET, *, header: dict[str, Any] | None = None
) -> str:
    """As the older system signed."""
    members = {"alg": "HS256", "typ": "JWT", **(header or {})}
    members = {name: value for name, value in members.items() if value is not None}
    signed = f"{b64(json.dumps(members).encode())}.{b64(json.dumps(said).encode())}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), 'sha256'))}"


def older_claims(**changes: Any) -> dict[str, Any]:
    usual = {"sub": str(uuid4()), "exp": int((NOW + timedelta(days=1)).timestamp())}
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def service_claims(**changes: Any) -> dict[str, Any]:
    usual = {"aud": "calendar", "sub": "chat", "client_id": "chat", "scope": "credentials:read"}
    return claims(**{"sid": None, **usual, **changes})
