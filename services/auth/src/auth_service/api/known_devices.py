"""A device on which its user signed in before: browsers keep it in a cookie, apps send a header."""

from typing import Annotated

from fastapi import Depends, Request, Response

from auth_service.api.resources import Resources, UseResources
from auth_service.domain.known_devices import KnownDevice, read_known_device
from common.http.operations import Operation, tells

COOKIE = "__Host-quartet-device"
HEADER = "X-Quartet-Device"
_DAYS = 400
"""Browsers keep no cookie for longer."""


def _describe(operation: Operation) -> None:
    told = {"type": "string", "examples": ["qd1_AZoEUNMmcQ"]}
    operation.asks(HEADER, told, description="Of an earlier login on this device.")
    operation.answers(HEADER, told, description="For the next login here.", statuses=("200",), always=False)


@tells(_describe)
async def _known_device(request: Request, resources: UseResources) -> KnownDevice | None:
    sent = request.headers.get(HEADER) or request.cookies.get(COOKIE)
    return read_known_device(sent, resources.macs)


SentDevice = Annotated[KnownDevice | None, Depends(_known_device)]


def give_device(response: Response, device: KnownDevice, resources: Resources, *, in_cookie: bool) -> None:
    """With every full login, and with a password that was set by a mail's link."""
    text = device.written(resources.macs)
    response.headers[HEADER] = text
    if in_cookie:
        response.set_cookie(
            COOKIE, text, max_age=_DAYS * 86_400, secure=True, httponly=True, samesite="strict"
        )
