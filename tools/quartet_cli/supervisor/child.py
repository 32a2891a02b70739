"""A started process: its end is noticed by a handle, not by a signal that library code might take."""

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
from pathlib import Path

from quartet_cli.stack.part import Part
from quartet_cli.supervisor.output import open_log
from quartet_cli.supervisor.processes import Identity

INHERITED = ("PATH", "HOME", "LANG", "TZ")
KILL_SECONDS = 10.0


def environment(part: Part) -> dict[str, str]:
    """A part sees what its description says, not the shell in which somebody typed `up`."""
    base = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**base, "PYTHONUNBUFFERED": "1", **part.env}


class Child:
    def __init__(self, process: subprocess.Popen[bytes], identity: Identity) -> None:
        self._process = process
        self._handle = os.pidfd_open(process.pid)
        self.identity = identity
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._handle, self._reap)

    @classmethod
    def spawn(cls, part: Part) -> "Child":
        """In a session of its own: a Ctrl-C in some terminal is not meant for it."""
        user = part.user if os.geteuid() == 0 else None
        log = open_log(part.log)
        try:
            process = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(part),
                cwd=part.cwd or Path("/"),
                user=user,
                group=_group_of(user),
                extra_groups=[] if user else None,
                start_new_session=True,
            )
        finally:
            os.close(log)
        # Not reaped yet, so the pid cannot be another's; one that died at once has no program to name.
        identity = Identity.of(process.pid) or Identity(pid=process.pid, started=-1, boot="", program="")
        return cls(process, identity)

    def refresh_identity(self) -> None:
        """A program that replaced itself (a shell that ends in `exec`) is recorded as what it became."""
        self.identity = Identity.of(self.identity.pid) or self.identity

    async def stop(self, number: signal.Signals, patience_seconds: float) -> None:
        """Gone when this returns: after the patience it is killed with everything it started."""
        self._send(number)
        await asyncio.wait({self.exited}, timeout=patience_seconds)
        if not self.exited.done():
            self._kill_group()
            await asyncio.wait({self.exited}, timeout=KILL_SECONDS)

    def _send(self, number: signal.Signals) -> None:
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def _kill_group(self) -> None:
        # As long as the leader is not reaped, its number cannot be given to a foreign group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.identity.pid, signal.SIGKILL)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        self._kill_group()
        code = self._process.wait()
        os.close(self._handle)
        if not self.exited.done():
            self.exited.set_result(code)


def _group_of(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None


def how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
