"""Links that mails carry: ids with a tag. The token is stored nowhere, it is made when a mail is sent."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from auth_service.domain.macs import TAG_BYTES, Macs

_PREFIX = "ql1_"
_PURPOSE = "mail link"
_ID_BYTES = 16
_BYTES = 2 * _ID_BYTES + TAG_BYTES


class Purpose(StrEnum):
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - what a link is for
    CONFIRM_EMAIL = "confirm_email"


LIFETIMES = {
    Purpose.VERIFY_EMAIL: timedelta(hours=24),
    Purpose.RESET_PASSWORD: timedelta(minutes=30),
    Purpose.CONFIRM_EMAIL: timedelta(hours=2),
}


@dataclass(frozen=True, slots=True)
class LinkToken:
    user_id: UUID
    link_id: UUID

    def written(self, macs: Macs, purpose: Purpose) -> str:
        said = self.user_id.bytes + self.link_id.bytes
        tagged = said + macs.tag(_PURPOSE, purpose.value.encode(), said)
        return _PREFIX + urlsafe_b64encode(tagged).decode()


def read_link_token(text: str, macs: Macs, purpose: Purpose) -> LinkToken | None:
    """None for whatever no mail of this purpose carried; asks no database."""
    encoded = text.removeprefix(_PREFIX)
    if len(encoded) == len(text) or len(encoded) != _BYTES * 4 // 3 or not encoded.isascii():
        return None
    try:
        raw = urlsafe_b64decode(encoded)
    except ValueError:
        return None
    said, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
    fits = macs.fits(tag, _PURPOSE, purpose.value.encode(), said)
    if not fits or urlsafe_b64encode(raw).decode() != encoded:
        return None
    return LinkToken(user_id=UUID(bytes=said[:_ID_BYTES]), link_id=UUID(bytes=said[_ID_BYTES:]))
