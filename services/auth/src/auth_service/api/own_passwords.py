"""The password of the caller, in the body of a route that asks for it once more."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from auth_service.api.devices import CurrentDevice
from auth_service.api.known_devices import SentDevice
from auth_service.api.users import CurrentUser
from auth_service.usecases.own_password import Claim
from common.errors import Kind
from common.http.documented import raises
from common.http.permissions import require_fresh

RECENT_PROOF = require_fresh(3600)
"""Beside the password, where an account could be taken over (ADR 0031): a step-up asks for all factors."""


@raises(Kind.FORBIDDEN, "password.wrong")
@raises(Kind.TOO_MANY, "login.locked")
@raises(Kind.UNAVAILABLE, "auth.busy")
async def _claim(user: CurrentUser, device: CurrentDevice, known: SentDevice) -> Callable[[str], Claim]:
    def claim(password: str) -> Claim:
        return Claim(user.user_id, user.session_id, password, device, known)

    return claim


OwnPassword = Annotated[Callable[[str], Claim], Depends(_claim)]
