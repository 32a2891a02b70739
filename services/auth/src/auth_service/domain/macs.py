"""Keyed tags: how auth knows what it handed out, with nothing to find in a copy of the database."""

import hmac
from base64 import b64decode
from collections.abc import Mapping
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

TAG_BYTES = 16


class Macs:
    """Made from the encryption keys: the active one tags, and what an older one tagged is still known."""

    def __init__(self, keys: Mapping[str, bytes], *, active: str) -> None:
        derived = {key_id: _derived(key) for key_id, key in keys.items()}
        self._active = derived.pop(active)
        self._older = tuple(derived.values())

    @classmethod
    def from_settings(cls, encryption: Mapping[str, SecretStr], *, active: str) -> Self:
        """`Cipher.from_settings` has refused what is no key before this is called."""
        keys = {key_id: b64decode(value.get_secret_value()) for key_id, value in encryption.items()}
        return cls(keys, active=active)

    def tag(self, purpose: str, *parts: bytes) -> bytes:
        return _tag(self._active, purpose, parts)

    def fits(self, tag: bytes, purpose: str, *parts: bytes) -> bool:
        """Takes the same time wherever a wrong tag differs."""
        fitting = [
            hmac.compare_digest(_tag(key, purpose, parts), tag) for key in (self._active, *self._older)
        ]
        return any(fitting)


def _derived(key: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"quartet auth tags").derive(key)


def _tag(key: bytes, purpose: str, parts: tuple[bytes, ...]) -> bytes:
    """Lengths are part of it, so that no two lists of parts give the same bytes."""
    message = b"".join(len(part).to_bytes(4, "big") + part for part in (purpose.encode(), *parts))
    return hmac.digest(key, message, "sha256")[:TAG_BYTES]
