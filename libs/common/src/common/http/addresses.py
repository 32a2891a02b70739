"""Whose request it is by address: what a header claims counts only when a trusted proxy says it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import cast

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(scope: Scope, *, trusted: Sequence[Network]) -> Address | None:
    """The last hop that no trusted proxy stands for; None where connections have no address."""
    client = cast("tuple[str, int] | None", scope.get("client"))
    address = _parsed(client[0]) if client else None
    if address is None or not _is_trusted(address, trusted):
        return address
    for hop in _forwarded(scope):
        before = _parsed(hop)
        if before is None:
            # Nonsense before a trusted proxy: the proxy itself is the last thing that is known.
            return address
        address = before
        if not _is_trusted(address, trusted):
            return address
    return address


def network_of(address: Address) -> str:
    """Who shares a limit: one IPv4 address, or the 64 bits of IPv6 that one customer is given at least."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, 64), strict=False).network_address)


def _forwarded(scope: Scope) -> list[str]:
    """The nearest hop first; header lines that are repeated are one list."""
    lines = [
        value.decode("latin-1")
        for name, value in cast("list[tuple[bytes, bytes]]", scope["headers"])
        if name == b"x-forwarded-for"
    ]
    return [hop.strip() for hop in reversed(",".join(lines).split(","))] if lines else []


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
