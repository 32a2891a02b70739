"""Services that call one another as themselves: who they are, and how their secrets are known."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

SERVICE_TOKEN_LIFETIME = timedelta(minutes=5)
"""Nothing but its end ends a service's token at the services; they ask nobody."""
CLIENT_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_PREFIX = "qcs1_"
_SECRET_BYTES = 32
_NOBODY = bytes(32)
"""The hash of no secret: what is presented for an unknown client is compared all the same."""


@dataclass(frozen=True)
class ServiceClient:
    client_id: str
    audiences: frozenset[str]
    """The services that its tokens may be for."""
    scopes: frozenset[str]


def new_secret(randomness: Callable[[int], bytes]) -> str:
    return _PREFIX + urlsafe_b64encode(randomness(_SECRET_BYTES)).rstrip(b"=").decode()


def secret_hash(secret: str) -> bytes:
    """Plain SHA-256: 256 random bits are not guessed, however fast each guess is."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret(presented: str, stored: bytes | None) -> bool:
    """Takes the same time for an unknown client, and wherever a wrong secret differs."""
    same = hmac.compare_digest(secret_hash(presented), stored if stored is not None else _NOBODY)
    return same and stored is not None
