"""What the command itself is made from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

COMMAND = Path(__file__).resolve().parents[1]


def fingerprint_of(folders: Iterable[Path]) -> str:
    """Of the names and contents of all source files; caches do not count."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.endswith(".pyc"):
                digest.update(f"{path.relative_to(folder)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def code_fingerprint(description: Path) -> str:
    """Of what a supervisor has loaded: one with other code or another description is replaced by `up`."""
    code = fingerprint_of([COMMAND / "stack", COMMAND / "supervisor"])
    content = description.read_bytes() if description.is_file() else b""
    return hashlib.sha256(code.encode() + content).hexdigest()
