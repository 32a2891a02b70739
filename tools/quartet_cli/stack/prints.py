"""Fingerprints: whether something is still made from what it was made from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def fingerprint(*texts: str, certificates: Path | None = None, sources: Iterable[Path] = ()) -> str:
    """Of texts, of the authority that the certificates come from, and of the source files below folders."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    if certificates is not None:
        digest.update((certificates / "ca.crt").read_bytes())
    for path in sorted(_files(sources)):
        digest.update(str(path).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(sources: Iterable[Path]) -> Iterable[Path]:
    for source in sources:
        if source.is_file():
            yield source
        else:
            yield from (path for path in source.rglob("*") if path.is_file() and _is_source(path))


def _is_source(path: Path) -> bool:
    """In a folder of caches files come and go, under other names for a moment."""
    return "__pycache__" not in path.parts and not any(part.startswith(".") for part in path.parts[-2:])
