"""Takes every mail and sends none: each becomes a file, the oldest give way to new ones."""

import argparse
import asyncio
import logging
import os
import signal
import time
from collections import deque
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from quartet_cli.stack.files import Owner, write_private

SUFFIX = ".eml"
MOST_MAILS = 2_000
MOST_BYTES = 1_048_576
MOST_CONNECTIONS = 64
_IDLE_SECONDS = 60.0


class Box:
    """A folder of mails; names grow with time."""

    def __init__(self, folder: Path, *, most: int = MOST_MAILS) -> None:
        self._folder = folder
        self._most = most
        self._names = deque(sorted(path.name for path in folder.glob(f"*{SUFFIX}")))
        self._number = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it so
        content = envelope.content
        mail = content.encode() if isinstance(content, str) else content or b""
        delivered = "".join(f"Delivered-To: {recipient}\r\n" for recipient in envelope.rcpt_tos)
        self.keep(delivered.encode("utf-8", "replace") + mail)
        return "250 2.0.0 kept"

    def keep(self, mail: bytes) -> None:
        self._number += 1
        name = f"{time.time_ns():020d}-{self._number:06d}{SUFFIX}"
        write_private(self._folder / name, mail, owner=Owner(None))
        self._names.append(name)
        while len(self._names) > self._most:
            (self._folder / self._names.popleft()).unlink(missing_ok=True)


class _Bounded(SMTP):
    """So many connections at once; one more is hung up on."""

    def __init__(self, box: Box, open_now: "set[_Bounded]") -> None:
        super().__init__(
            box,
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="mail sink",
            timeout=_IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._open_now = open_now

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._open_now) >= MOST_CONNECTIONS and isinstance(transport, asyncio.Transport):
            transport.abort()
            return
        self._open_now.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._open_now:
            self._open_now.remove(self)
            super().connection_lost(error)


async def start_sink(host: str, port: int, box: Box) -> asyncio.Server:
    # below that it writes down what clients say, addresses among it, and bytes that are no text
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    open_now: set[_Bounded] = set()
    return await asyncio.get_running_loop().create_server(lambda: _Bounded(box, open_now), host, port)


async def _run(host: str, port: int, folder: Path) -> None:
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    server = await start_sink(host, port, Box(folder))
    await over.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    told = parser.parse_args()
    os.umask(0o077)
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(_run(told.host, told.port, told.folder))


if __name__ == "__main__":
    main()
