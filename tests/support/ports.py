"""Ports for what a test starts, that nobody else is given meanwhile."""

import random
import socket
from collections.abc import Generator
from contextlib import contextmanager

from quartet_cli.stack.description import HOST
from quartet_cli.stack.ports import free_base, is_free

_LOWEST, _HIGHEST = 10_000, 18_000
"""Below those of outgoing connections, one of which would take a port before its server does."""
_HOLDER = 3
"""Of a block's ports the first that no process of a service listens on."""


def free_port() -> int:
    while True:
        port = random.randrange(_LOWEST, _HIGHEST)
        if is_free(port):
            return port


@contextmanager
def held_base() -> Generator[int]:
    """The first of a hundred ports: free, and no other test's that starts a process at the same time."""
    while True:
        base = free_base()
        with socket.socket() as holder:
            try:
                holder.bind((HOST, base + _HOLDER))
                holder.listen()
            except OSError:
                continue
            yield base
            return
