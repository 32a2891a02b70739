"""The process that stays: parent of every part, so that it can reap, restart and stop them.

    python -m quartet_cli.supervisor.resident STATE_FOLDER module:function ARGUMENT

`function(ARGUMENT)` gives the parts.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from quartet_cli.stack.part import Part
from quartet_cli.supervisor.code import code_fingerprint
from quartet_cli.supervisor.processes import Identity
from quartet_cli.supervisor.protocol import LINE_BYTES, SOCKET, listen
from quartet_cli.supervisor.records import end_left_over, write_json
from quartet_cli.supervisor.server import Server
from quartet_cli.supervisor.supervisor import Supervisor

LOCK = "supervisor.lock"
IDENTITY = "supervisor.json"
PR_SET_CHILD_SUBREAPER = 36
RUNS_ALREADY = 3


def main(arguments: Sequence[str]) -> int:
    state, factory, argument = Path(arguments[0]), arguments[1], arguments[2]
    os.chdir("/")
    code = code_fingerprint(Path(argument))
    with (state / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return RUNS_ALREADY
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # Orphans of a dead part come to us instead of to init: PostgreSQL does not start while one remains.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        ended = end_left_over(state)
        if ended:
            print(
                "ended what a killed supervisor had left:", ", ".join(one.name for one in ended), flush=True
            )
        write_json(state / IDENTITY, _own_identity())
        asyncio.run(_serve(state, parts_of(factory, argument), code))
        (state / IDENTITY).unlink(missing_ok=True)
    return 0


def _own_identity() -> dict[str, object]:
    identity = Identity.of(os.getpid())
    return identity.to_json() if identity else {}


def parts_of(factory: str, argument: str) -> Sequence[Part]:
    module, _, name = factory.partition(":")
    make = cast("Callable[[str], Sequence[Part]]", getattr(importlib.import_module(module), name))
    return make(argument)


async def _serve(state: Path, parts: Sequence[Part], code: str) -> None:
    supervisor = Supervisor(parts, state)
    server = await asyncio.start_unix_server(
        Server(supervisor, code=code).serve, sock=listen(state), limit=LINE_BYTES
    )
    tending = asyncio.create_task(supervisor.tend())
    going_down: set[asyncio.Task[None]] = set()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(
            number, lambda: going_down.add(asyncio.create_task(supervisor.down()))
        )
    await supervisor.ended.wait()
    (state / SOCKET).unlink(missing_ok=True)
    server.close()
    tending.cancel()
    # Connections still owe somebody the result of the `down` that brought us here.
    answering = asyncio.all_tasks() - {asyncio.current_task(), tending}
    if answering:
        await asyncio.wait(cast("set[asyncio.Task[None]]", answering), timeout=2.0)
    with contextlib.suppress(asyncio.CancelledError):
        await tending


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
