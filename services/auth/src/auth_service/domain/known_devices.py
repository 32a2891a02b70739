"""What a device shows to be known again: it opens nothing, it keeps others' failures from counting."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from auth_service.domain.macs import TAG_BYTES, Macs

_PREFIX = "qd1_"
_PURPOSE = "known device"
_ID_BYTES = 16
_BYTES = 2 * _ID_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class KnownDevice:
    user_id: UUID
    device_id: UUID

    def written(self, macs: Macs) -> str:
        said = self.user_id.bytes + self.device_id.bytes
        return _PREFIX + urlsafe_b64encode(said + macs.tag(_PURPOSE, said)).decode()


def read_known_device(text: str | None, macs: Macs) -> KnownDevice | None:
    """None for whatever was not given to a device here; asks no database."""
    encoded = (text or "").removeprefix(_PREFIX)
    if text is None or len(encoded) == len(text) or len(encoded) != _BYTES * 4 // 3:
        return None
    try:
        raw = urlsafe_b64decode(encoded)
    except ValueError:
        return None
    said, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
    if len(raw) != _BYTES or not macs.fits(tag, _PURPOSE, said):
        return None
    return KnownDevice(user_id=UUID(bytes=said[:_ID_BYTES]), device_id=UUID(bytes=said[_ID_BYTES:]))
