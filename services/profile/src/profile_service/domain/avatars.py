"""How a picture of a user is named, and what makes it theirs to show."""

import hashlib
from typing import Final
from uuid import UUID

from common.errors import Kind, QuartetError

MEDIA_TYPE: Final = "image/webp"
BLOB_CHECK: Final = r"blob ~ ('^avatars/' || user_id || '/[0-9a-f]{64}-[0-9a-f]{32}\.webp$')"


def blobs_of(user_id: UUID) -> str:
    return f"avatars/{user_id}/"


def blob_name(user_id: UUID, picture: bytes, *, upload_id: UUID) -> str:
    """By what it holds, and once for each upload: a name that was given up never comes back.

    So whoever removes an old one cannot remove what somebody just put there.
    """
    return f"{blobs_of(user_id)}{hashlib.sha256(picture).hexdigest()}-{upload_id.hex}.webp"


def no_avatar() -> QuartetError:
    return QuartetError("avatar.missing", "There is no picture of this user.", kind=Kind.NOT_FOUND)
