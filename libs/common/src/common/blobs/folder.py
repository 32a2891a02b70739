import os
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from common.blobs.store import Blobs, StorageError

_UNFINISHED: Final = ".unfinished"
"""No name of a blob begins with a dot."""
_LEFT_SECONDS: Final = 3600.0
"""Nobody writes for so long: whoever began such a file was killed."""


class FolderBlobs(Blobs):
    """Files below a folder, for one process or for many."""

    def __init__(self, folder: Path, *, timeout_seconds: float) -> None:
        super().__init__(timeout_seconds=timeout_seconds)
        self._folder = folder

    def _put(self, name: str, content: bytes) -> None:
        """A file of another name first: under its own it appears whole, and both are on the disk then."""
        target, aside = self._folder / name, self._folder / _UNFINISHED
        with _faults():
            changed = {target.parent, *_make_folders(target.parent)}
            _make_folders(aside)
            _forget_unfinished(aside, before=time.time() - _LEFT_SECONDS)
            descriptor, unfinished = tempfile.mkstemp(dir=aside)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(unfinished).replace(target)
            except OSError:
                with suppress(OSError):
                    Path(unfinished).unlink()
                raise
            for folder in changed:
                _sync(folder)

    def _get(self, name: str) -> bytes | None:
        with _faults():
            try:
                return (self._folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def _delete(self, name: str) -> None:
        with _faults():
            (self._folder / name).unlink(missing_ok=True)

    def _names(self, prefix: str) -> list[str]:
        with _faults():
            return [
                str((Path(folder) / name).relative_to(self._folder))
                for folder, _, names in os.walk(self._folder / prefix, onerror=_raise)
                for name in names
            ]


@contextmanager
def _faults() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"STORAGE_FOLDER: {error.strerror}") from None


def _make_folders(folder: Path) -> set[Path]:
    """Gives back those in which one was made: their entries are new, too."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
    return {one.parent for one in missing}


def _forget_unfinished(aside: Path, *, before: float) -> None:
    for left in aside.iterdir():
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < before:
                left.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error
