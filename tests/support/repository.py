"""Where things are in this repository, and what of it is source."""

from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SERVICE_PACKAGES = {
    "auth": ROOT / "services/auth/src/auth_service",
    "profile": ROOT / "services/profile/src/profile_service",
    "calendar": ROOT / "services/calendar-sync/src/calendar_sync_service",
    "chat": ROOT / "services/chat/src/chat_service",
}

PACKAGES = (ROOT / "libs/common/src/common", *SERVICE_PACKAGES.values())

_NOT_OURS = {
    "var",
    ".git",
    "__pycache__",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".import_linter_cache",
}


@cache
def files(*suffixes: str) -> tuple[Path, ...]:
    """Every file of the checkout that is written by hand and ends so; all when none is given."""
    return tuple(path for path in _below(ROOT) if not suffixes or path.suffix in suffixes)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name in _NOT_OURS or path.name.endswith(".egg-info") or path.is_symlink():
            continue
        found += _below(path) if path.is_dir() else [path]
    return found
