"""Children of dead parts, which the kernel hands to the supervisor."""

import contextlib
import os
from pathlib import Path


def reap_orphans(ours: set[int], seen_before: set[int]) -> set[int]:
    """Reaps children of dead parts that were handed to us; returns those dead now, to be reaped next time.

    Twice, because a helper process of some library may be dead for a moment before its own caller reaps it.
    """
    dead = {pid for pid in _children() if pid not in ours and _is_zombie(pid)}
    for pid in dead & seen_before:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return dead - seen_before


def _children() -> list[int]:
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in path.read_text().split()]
    return found


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False
