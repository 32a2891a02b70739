import hashlib
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

NewId = Callable[[], UUID]


def new_id() -> UUID:
    """A UUIDv7: sorts by the time it was made."""
    return uuid7()


def new_id_text() -> str:
    """The same in its written form, for a seventh of the time: no object is made."""
    return str(uuid_utils.uuid7())


def derived_id(at: datetime, name: str) -> UUID:
    """A UUIDv7 that is the same for the same moment and name: what it names is there once."""
    drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:10], "big")
    milliseconds = int(at.timestamp() * 1000)
    return UUID(
        int=milliseconds << 80 | 0x7 << 76 | (drawn >> 62 & 0xFFF) << 64 | 0x2 << 62 | drawn & (1 << 62) - 1
    )
