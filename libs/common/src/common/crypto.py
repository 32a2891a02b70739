"""Sealing of what a database must hold and may not read: AES-256-GCM, with the key's id beside the text."""

import base64
import binascii
import os
import struct
from collections.abc import Mapping
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from common.settings import Environment

Place = tuple[str, str, str]
"""Table, row and column: what is sealed for one place does not open in another."""

DEVELOPMENT_KEY = "dev"
"""How the ids of keys begin that somebody may have seen; production refuses them."""

_FORMAT = 1
_NONCE_BYTES = 12
_KEY_BYTES = 32


class CannotOpenError(Exception):
    """The sealed bytes were changed, belong to another place, or name a key that is not there."""


class UnusableKeyError(ValueError):
    """A key must not be used; says which and why, never its value."""


class Cipher:
    def __init__(self, keys: Mapping[str, bytes], *, active: str) -> None:
        for key_id, key in keys.items():
            if len(key) != _KEY_BYTES:
                raise UnusableKeyError(f"key {key_id} has {len(key)} bytes instead of {_KEY_BYTES}")
            if not 1 <= len(key_id.encode()) <= 255:
                raise UnusableKeyError("the id of a key must have 1 to 255 bytes")
        if active not in keys:
            raise UnusableKeyError(f"the active key {active} is not among the keys")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.active = active

    @classmethod
    def from_settings(
        cls, encryption: Mapping[str, SecretStr], *, active: str, environment: Environment
    ) -> Self:
        """`encryption` is KEYS_ENCRYPTION: key ids and 32 bytes in base64."""
        keys: dict[str, bytes] = {}
        for key_id, value in encryption.items():
            try:
                keys[key_id] = base64.b64decode(value.get_secret_value(), validate=True)
            except binascii.Error:
                raise UnusableKeyError(f"key {key_id} is no base64") from None
            if environment == "production" and (
                key_id.startswith(DEVELOPMENT_KEY) or len(set(keys[key_id])) < 16
            ):
                raise UnusableKeyError(f"key {key_id} is one for development; make one with 32 random bytes")
        return cls(keys, active=active)

    def seal(self, text: bytes, *, place: Place) -> bytes:
        header = _header(self.active)
        nonce = os.urandom(_NONCE_BYTES)
        return header + nonce + self._ciphers[self.active].encrypt(nonce, text, header + _bound(place))

    def open(self, sealed: bytes, *, place: Place) -> bytes:
        key_id = key_id_of(sealed)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotOpenError(f"sealed with key {key_id}, which is not there")
        header = _header(key_id)
        nonce = sealed[len(header) : len(header) + _NONCE_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[len(header) + _NONCE_BYTES :], header + _bound(place))
        except (InvalidTag, ValueError):
            raise CannotOpenError("changed, or sealed for another place") from None

    def is_current(self, sealed: bytes) -> bool:
        """False for what a rotation has yet to seal anew."""
        return key_id_of(sealed) == self.active


def key_id_of(sealed: bytes) -> str:
    try:
        version, length = sealed[0], sealed[1]
        key_id = sealed[2 : 2 + length]
        if version != _FORMAT or len(key_id) != length:
            raise CannotOpenError("not sealed by this format")
        return key_id.decode()
    except (IndexError, UnicodeDecodeError):
        raise CannotOpenError("not sealed by this format") from None


def _header(key_id: str) -> bytes:
    encoded = key_id.encode()
    return bytes((_FORMAT, len(encoded))) + encoded


def _bound(place: Place) -> bytes:
    """Lengths are part of it, so that no two places give the same bytes."""
    parts = [part.encode() for part in place]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
