"""Where the output of parts goes: one file each, for the owner's eyes only, of limited size."""

import os
import shutil
from pathlib import Path

KEPT = 3
LIMIT_BYTES = 20_000_000
TAIL_BYTES = 16_384


def open_log(path: Path) -> int:
    """For appending, so that a file that was emptied while a process holds it begins at its start again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(handle, 0o600)
    return handle


def append(path: Path, text: str) -> None:
    with os.fdopen(open_log(path), "a", encoding="utf-8") as log:
        log.write(text)


def rotate(path: Path) -> None:
    """At a start: `part.log` becomes `part.log.1`, up to `KEPT` old ones."""
    if not path.exists() or path.stat().st_size == 0:
        return
    _shift(path)
    path.replace(_old(path, 1))


def limit(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
    """While it runs: the content moves to `part.log.1` and the file, which the process holds, is emptied."""
    if not path.exists() or path.stat().st_size <= limit_bytes:
        return
    _shift(path)
    shutil.copyfile(path, _old(path, 1))
    _old(path, 1).chmod(0o600)
    os.truncate(path, 0)


def _shift(path: Path) -> None:
    for number in range(KEPT - 1, 0, -1):
        if _old(path, number).exists():
            _old(path, number).replace(_old(path, number + 1))


def _old(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def tail(path: Path, lines: int, *, start: int = 0, most_bytes: int = TAIL_BYTES) -> list[str]:
    """The last lines written after `start`, read from the end: the file may be large."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(min(start, size), size - most_bytes)
            window, found = 0, b""
            while window < size - start and found.count(b"\n") <= lines:
                window = min(size - start, max(TAIL_BYTES, 2 * window))
                file.seek(size - window)
                found = file.read(window)
            return found.decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []
