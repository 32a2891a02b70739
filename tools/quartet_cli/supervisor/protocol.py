"""How the command and the supervisor talk: JSON lines over a Unix socket that only its owner may open."""

import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

SOCKET = "supervisor.sock"
TICK_SECONDS: Final = 2.0
"""While a request is worked on, something is sent at least this often."""
SILENCE_SECONDS: Final = 15.0
"""A supervisor that says nothing for so long is taken for dead."""
LINE_BYTES: Final = 4_000_000

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


@contextmanager
def socket_address(state: Path) -> Generator[str]:
    """The address of the socket in a folder; by handle, because a socket's path has 107 bytes at most."""
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


def listen(state: Path) -> socket.socket:
    """The caller holds the lock of the folder: a socket found there belongs to nobody any more."""
    (state / SOCKET).unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with socket_address(state) as address:
            server.bind(address)
    finally:
        os.umask(before)
    return server


def connect(state: Path, *, timeout_seconds: float = SILENCE_SECONDS) -> socket.socket | None:
    """None when no supervisor listens there."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout_seconds)
    try:
        with socket_address(state) as address:
            client.connect(address)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        client.close()
        return None
    except OSError:
        client.close()
        raise
    return client
