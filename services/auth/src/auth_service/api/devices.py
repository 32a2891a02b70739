from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from fastapi import Depends, Request

from auth_service.domain.sessions import Device
from common.http.addresses import client_address

_MOST_CHARACTERS = 512
_IPV4_BITS, _IPV6_BITS = 24, 48


async def _device(request: Request) -> Device:
    agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")[:_MOST_CHARACTERS])).strip()
    address = client_address(request.scope, trusted=request.app.state.trusted_proxies)
    match address:
        case None:
            network = None
        case _ if address.version == 4:
            network = str(IPv4Network((int(address), _IPV4_BITS), strict=False))
        case _:
            network = str(IPv6Network((int(address), _IPV6_BITS), strict=False))
    return Device(user_agent=agent or None, network=network)


CurrentDevice = Annotated[Device, Depends(_device)]
