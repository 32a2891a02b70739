"""Which ports are free, and what to say when one is not."""

import os
import secrets
import socket
from collections.abc import Iterable

from quartet_cli.stack.description import HOST, port_layout
from quartet_cli.stack.errors import StackError

SETTING = "QUARTET_PORT_BASE"
# below the ports that the kernel gives to outgoing connections: one of those would take a server's port
# in the moment in which it restarts
LOWEST, HIGHEST, STEP = 20_000, 31_900, 100
# what a person may choose: no port that needs root, and a hundred of them
FIRST_CHOICE, LAST_CHOICE = 1024, 65_436


class PortTakenError(StackError):
    def __init__(self, part: str, port: int) -> None:
        super().__init__(
            f"port {port} on {HOST}, wanted by {part}, is taken by another program: "
            f"stop it, or set {SETTING} to the first of 100 free ports"
        )


def chosen_base() -> int | None:
    """The first port that the setting asks for; None when it asks for nothing."""
    chosen = os.environ.get(SETTING)
    if not chosen:
        return None
    is_number = chosen.isascii() and chosen.isdecimal() and len(chosen) <= len(str(LAST_CHOICE))
    if not is_number or not FIRST_CHOICE <= int(chosen) <= LAST_CHOICE:
        raise StackError(
            f"{SETTING} is {chosen!r}: set it to the first of 100 free ports, "
            f"a number from {FIRST_CHOICE} to {LAST_CHOICE}"
        )
    return int(chosen)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # as servers do: a port whose old connections linger is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def check_ports_free(part: str, ports: Iterable[int]) -> None:
    for port in ports:
        if not is_free(port):
            raise PortTakenError(part, port)


def free_base() -> int:
    """The first port of a block that is free at this moment, chosen at random."""
    blocks = list(range(LOWEST, HIGHEST, STEP))
    secrets.SystemRandom().shuffle(blocks)
    for base in blocks:
        if all(is_free(port) for port in port_layout(base).values()):
            return base
    raise PortTakenError("a test stack", LOWEST)
