"""Sealing of what a database must hold and may not read: AES-256-GCM, with the key's id beside the text."""

import os
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from common.crypto.columns import Place

KEY_BYTES: Final = 32
_FORMAT = 1
_NONCE_BYTES = 12
"""Random: after 2³² seals under one key the chance that one has come twice is 2⁻³³."""


class CannotOpenError(Exception):
    """The sealed bytes were changed, belong to another place, or name a key that is not there."""


class Cipher:
    """A ring of keys: the active one seals, all of them open."""

    def __init__(self, keys: Mapping[str, bytes], *, active: str) -> None:
        if any(len(key) != KEY_BYTES for key in keys.values()):
            # AESGCM would take a shorter one, and be weaker
            raise ValueError(f"every key has {KEY_BYTES} bytes")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._sealing = self._ciphers[active]
        self._keys = dict(keys)
        self.active = active

    @property
    def key_ids(self) -> Sequence[str]:
        return tuple(self._ciphers)

    def seal(self, text: bytes, *, place: Place) -> bytes:
        header = header_of(self.active)
        nonce = os.urandom(_NONCE_BYTES)
        return header + nonce + self._sealing.encrypt(nonce, text, header + _bound(place))

    def open(self, sealed: bytes, *, place: Place) -> bytes:
        key_id = key_id_of(sealed)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotOpenError(f"sealed with key {key_id}, which is not there: add it to the keys")
        header = header_of(key_id)
        nonce = sealed[len(header) : len(header) + _NONCE_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[len(header) + _NONCE_BYTES :], header + _bound(place))
        except (InvalidTag, ValueError):
            raise CannotOpenError("changed, or sealed for another place") from None

    def is_current(self, sealed: bytes) -> bool:
        """False for what a rotation has yet to seal anew."""
        return key_id_of(sealed) == self.active

    def derived(self, purpose: str) -> dict[str, bytes]:
        """Keys for another use, by the same ids: what one use shows tells nothing about the other."""
        return {key_id: _derive(key, purpose) for key_id, key in self._keys.items()}


def key_id_of(sealed: bytes) -> str:
    try:
        version, length = sealed[0], sealed[1]
        key_id = sealed[2 : 2 + length]
        if version != _FORMAT or len(key_id) != length:
            raise CannotOpenError("not sealed by this format")
        return key_id.decode()
    except (IndexError, UnicodeDecodeError):
        raise CannotOpenError("not sealed by this format") from None


def header_of(key_id: str) -> bytes:
    """How everything begins that was sealed with this key."""
    encoded = key_id.encode()
    return bytes((_FORMAT, len(encoded))) + encoded


def _bound(place: Place) -> bytes:
    """Lengths are part of it, so that no two places give the same bytes."""
    parts = [part.encode() for part in place]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(key)
