"""Reading logs of parts: their last lines, then what is added, across rotation."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from quartet_cli.supervisor.output import LIMIT_BYTES, tail

PAUSE_SECONDS = 0.2


def last_lines(logs: Mapping[str, Path], count: int) -> Iterator[str]:
    for name, path in logs.items():
        for line in (count and tail(path, count, most_bytes=2 * LIMIT_BYTES)) or ():
            yield labelled(name, line, alone=len(logs) == 1)


def labelled(name: str, line: str, *, alone: bool) -> str:
    return line if alone else f"{name:<18} {line}"


class Follower:
    """What one log gains; begins anew when the file was replaced or emptied."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = self._look()
        self._inode, self._position = found or (0, 0)
        self._rest = b""

    def read(self) -> list[str]:
        """Whole lines only."""
        found = self._look()
        if found is None:
            return []
        inode, size = found
        if inode != self._inode or size < self._position:
            self._inode, self._position, self._rest = inode, 0, b""
        if size == self._position:
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            added = file.read()
        self._position += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size


def follow(logs: Mapping[str, Path]) -> None:
    """Until Ctrl-C."""
    followers = {name: Follower(path) for name, path in logs.items()}
    try:
        while True:
            for name, follower in followers.items():
                for line in follower.read():
                    print(labelled(name, line, alone=len(logs) == 1), flush=True)
            time.sleep(PAUSE_SECONDS)
    except (KeyboardInterrupt, BrokenPipeError):
        return
