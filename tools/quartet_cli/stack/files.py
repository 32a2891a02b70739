"""Files of a stack: private, written whole, owned by whoever reads them."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from string import Template


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a file belongs to; None is whoever runs the command, and the only choice unless that is root."""

    user: str | None

    def take(self, path: Path) -> None:
        if self.user is not None and os.geteuid() == 0:
            entry = pwd.getpwnam(self.user)
            os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def make_folder(path: Path, *, owner: Owner, mode: int = 0o700) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    owner.take(path)
    return path


def write_private(path: Path, text: str | bytes, *, owner: Owner, mode: int = 0o600) -> None:
    """The file appears whole or not at all, and was never readable by anybody else."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    content = text.encode() if isinstance(text, str) else text
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.chmod(mode)
    owner.take(fresh)
    fresh.replace(path)


class _At(Template):
    """`@{name}` is filled in: the dollar belongs to nginx."""

    delimiter = "@"


def fill(template: Path, **values: object) -> str:
    """A placeholder without a value is an error, never an empty string."""
    return _At(template.read_text()).substitute({name: str(value) for name, value in values.items()})
