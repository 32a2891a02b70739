"""Refresh tokens: a session's id and a counter with a tag; none is stored, and none is used twice."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from auth_service.domain.macs import TAG_BYTES, Macs

_PREFIX = "qrt1_"
_PURPOSE = "refresh token"
_ID_BYTES, _COUNTER_BYTES = 16, 8
_BYTES = 2 * _ID_BYTES + _COUNTER_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class RefreshToken:
    user_id: UUID
    session_id: UUID
    counter: int

    def written(self, macs: Macs) -> str:
        said = self._said()
        return _PREFIX + urlsafe_b64encode(said + macs.tag(_PURPOSE, said)).rstrip(b"=").decode()

    def _said(self) -> bytes:
        counter = self.counter.to_bytes(_COUNTER_BYTES, "big")
        return self.user_id.bytes + self.session_id.bytes + counter


class Presented(StrEnum):
    """What a token is to its session, by the two counters."""

    CURRENT = "current"
    PREDECESSOR = "predecessor"
    """The answer with its successor was lost, or several tabs asked at once: they get the same successor."""
    STALE = "stale"
    """Its successor was used already: somebody has a copy."""
    AHEAD = "ahead"
    """Never handed out by the database that is asked, which was restored from a backup then."""


def read_refresh_token(text: str, macs: Macs) -> RefreshToken | None:
    """None for whatever was not handed out here; asks no database."""
    encoded = text.removeprefix(_PREFIX)
    if len(encoded) == len(text) or len(encoded) != _encoded_length() or not encoded.isascii():
        return None
    try:
        raw = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return None
    said, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
    # one token has one spelling: the decoder takes others too
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != encoded or not macs.fits(tag, _PURPOSE, said):
        return None
    return RefreshToken(
        user_id=UUID(bytes=said[:_ID_BYTES]),
        session_id=UUID(bytes=said[_ID_BYTES : 2 * _ID_BYTES]),
        counter=int.from_bytes(said[2 * _ID_BYTES :], "big"),
    )


def classified(*, presented: int, current: int) -> Presented:
    match current - presented:
        case 0:
            return Presented.CURRENT
        case 1:
            return Presented.PREDECESSOR
        case behind if behind > 1:
            return Presented.STALE
        case _:
            return Presented.AHEAD


def _encoded_length() -> int:
    return -(-_BYTES * 4 // 3)
