"""Where the programs of this machine are, and how new."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from quartet_cli.stack.errors import StackError

POSTGRES_OLDEST = 15
JAVA_OLDEST = 17
_POSTGRES_HOME = Path("/usr/lib/postgresql")
# Debian keeps servers in folders that are not on a plain user's PATH
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class MissingProgramError(StackError):
    pass


def find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path=_PATH)


def program(name: str) -> str:
    found = find(name)
    if found is None:
        raise MissingProgramError(f"{name} is not installed")
    return found


def postgres_folder() -> Path | None:
    """Of the newest PostgreSQL that is new enough; Debian installs each version in a folder of its own."""
    found = [
        (int(path.parent.parent.name), path.parent)
        for path in _POSTGRES_HOME.glob("*/bin/initdb")
        if path.parent.parent.name.isdigit() and path.with_name("postgres").exists()
    ]
    new_enough = [entry for entry in found if entry[0] >= POSTGRES_OLDEST]
    return max(new_enough)[1] if new_enough else None


def postgres_program(name: str) -> str:
    folder = postgres_folder()
    if folder is None:
        raise MissingProgramError(f"PostgreSQL {POSTGRES_OLDEST} or newer is not installed")
    return str(folder / name)


@cache
def java_version() -> str | None:
    """As `java -version` tells it on its first line; None without Java."""
    found = find("java")
    if found is None:
        return None
    # it would leave a folder where temporary files go
    told = subprocess.run(
        [found, "-XX:-UsePerfData", "-version"], capture_output=True, text=True, check=False
    )
    return told.stderr.strip().partition("\n")[0] or None


def java_major() -> int:
    match = re.search(r'"(\d+)', java_version() or "")
    return int(match[1]) if match else 0
