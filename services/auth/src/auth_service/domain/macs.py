"""Keyed tags: how auth knows what it handed out, with nothing to find in a copy of the database."""

import hmac
from collections.abc import Mapping

TAG_BYTES = 16


class Macs:
    """The active key tags, and what an older one tagged is still known."""

    def __init__(self, keys: Mapping[str, bytes], *, active: str) -> None:
        self._active = keys[active]
        self._older = tuple(key for key_id, key in keys.items() if key_id != active)

    def tag(self, purpose: str, *parts: bytes) -> bytes:
        return _tag(self._active, purpose, parts)

    def fits(self, tag: bytes, purpose: str, *parts: bytes) -> bool:
        """Takes the same time wherever a wrong tag differs."""
        fitting = [
            hmac.compare_digest(_tag(key, purpose, parts), tag) for key in (self._active, *self._older)
        ]
        return any(fitting)


def _tag(key: bytes, purpose: str, parts: tuple[bytes, ...]) -> bytes:
    """Lengths are part of it, so that no two lists of parts give the same bytes."""
    message = b"".join(len(part).to_bytes(4, "big") + part for part in (purpose.encode(), *parts))
    return hmac.digest(key, message, "sha256")[:TAG_BYTES]
