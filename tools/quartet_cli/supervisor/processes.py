"""Which process is which: a pid alone says nothing, because the system gives it to somebody else later."""

import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for all time: its pid, when it was started (ticks since boot), which boot, which program."""

    pid: int
    started: int
    boot: str
    program: str

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """None when there is no such process or it is dead and only not reaped yet (state Z)."""
        stat = _stat(pid)
        if stat is None or stat[0] in "ZX":
            return None
        return cls(pid=pid, started=stat[1], boot=_boot(), program=_program(pid))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Identity":
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def is_alive(self) -> bool:
        """False for a process that only inherited the pid, and for one whose program is another now."""
        now = Identity.of(self.pid)
        if now is None or (now.started, now.boot) != (self.started, self.boot):
            return False
        return not self.program or not now.program or now.program == self.program

    def send(self, number: signal.Signals) -> None:
        """To this process only; nothing happens when it is gone or the pid is somebody else's by now."""
        try:
            handle = os.pidfd_open(self.pid)
        except (ProcessLookupError, PermissionError):
            return
        try:
            # The handle was opened first: what is alive now is what the handle means.
            if self.is_alive():
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)


def _stat(pid: int) -> tuple[str, int] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in brackets may itself hold brackets and spaces; the last one ends it.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _program(pid: int) -> str:
    try:
        # An upgraded package leaves "(deleted)" behind the path of what still runs.
        return str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""


def tree_bytes(pid: int) -> int | None:
    """Resident memory of a process and its children, in which shared pages count once.

    PostgreSQL is many processes over the same buffers: the sum of their own sizes is several times too much.
    """
    try:
        root = psutil.Process(pid)
        processes = (root, *root.children(recursive=True))
    except psutil.Error:
        return None
    return sum(map(_share, processes)) or None


def _share(process: psutil.Process) -> int:
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return process.memory_info().rss
    except psutil.Error:  # a backend that ended meanwhile takes nothing, and its parent still counts
        return 0


def holder_of(port: int) -> str | None:
    """The program that listens on a local port, when this user may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN
        if listens and getattr(connection.laddr, "port", None) == port and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return None
