"""What says that somebody asked to be erased: the user's id with a tag. It outlives the account, so that its
owner can look how far the erasure is without a session; nobody can guess it, and it is stored nowhere."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from auth_service.domain.macs import TAG_BYTES, Macs

_PREFIX = "qe1_"
_PURPOSE = "erasure receipt"
_ID_BYTES = 16
_CHARACTERS = len(urlsafe_b64encode(bytes(_ID_BYTES + TAG_BYTES)))


def write_receipt(user_id: UUID, macs: Macs) -> str:
    tagged = user_id.bytes + macs.tag(_PURPOSE, user_id.bytes)
    return _PREFIX + urlsafe_b64encode(tagged).decode().rstrip("=")


def read_receipt(text: str, macs: Macs) -> UUID | None:
    """None for whatever was not written here; asks no database."""
    encoded = text.removeprefix(_PREFIX)
    padded = encoded + "=" * (_CHARACTERS - len(encoded))
    if len(encoded) == len(text) or len(padded) != _CHARACTERS or not encoded.isascii():
        return None
    try:
        raw = urlsafe_b64decode(padded)
    except ValueError:
        return None
    said, tag = raw[:_ID_BYTES], raw[_ID_BYTES:]
    if len(tag) != TAG_BYTES or not macs.fits(tag, _PURPOSE, said):
        return None
    user_id = UUID(bytes=said)
    return user_id if urlsafe_b64encode(raw).decode().rstrip("=") == encoded else None
