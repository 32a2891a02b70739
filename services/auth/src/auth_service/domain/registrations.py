"""By what somebody who registered is known again at the login, whatever the address is (ADR 0025)."""

from datetime import timedelta
from uuid import UUID

from auth_service.domain.macs import Macs
from auth_service.domain.passwords import normalised

KNOWN_FOR = timedelta(days=7)
"""For so long its password is answered as one whose mail is to be read yet, whatever the address was."""
TAG_BYTES = 2
"""Enough to know a password again that was just chosen, too little to find one by, with the key even."""


def password_tag(macs: Macs, *, user_id: UUID, password: str) -> bytes:
    tag = macs.tag("registration", user_id.bytes, normalised(password).encode(errors="replace"))
    return tag[:TAG_BYTES]
