"""Writes the locked requirements anew: pinned, with hashes, without naming where they come from."""

import os
import subprocess
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from quartet_cli.supervisor.client import SupervisorError

OLDEST_PYTHON = "3.11"
PLAIN = (
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
    "--python-version",
    OLDEST_PYTHON,
)


def relock(checkout: Path, *, upgrade: bool, say: Callable[[str], None]) -> None:
    """Versions that still fit stay as they are, unless `upgrade`; files change only when all went well."""
    folder = checkout / "requirements"
    own = [argument for name in own_packages(checkout) for argument in ("--no-emit-package", name)]
    sources = ["requirements/dev.in", "requirements/editable.in"]
    say("resolving what the services, the command and the tests need")
    _compile(checkout, folder / "lock.txt", [*own, *sources], upgrade=upgrade)
    say("resolving the installer itself")
    _compile(checkout, folder / "bootstrap.txt", ["requirements/bootstrap.in"], upgrade=upgrade)


def own_packages(checkout: Path) -> Iterable[str]:
    """Installed from their folders, so never from a lock."""
    for line in (checkout / "requirements" / "editable.in").read_text().splitlines():
        if line.startswith("-e "):
            described = checkout / line.removeprefix("-e ").strip() / "pyproject.toml"
            content: dict[str, Any] = tomllib.loads(described.read_text())
            yield content["project"]["name"]


def _compile(checkout: Path, target: Path, arguments: list[str], *, upgrade: bool) -> None:
    fresh = target.with_suffix(".new")
    fresh.write_bytes(b"" if upgrade or not target.exists() else target.read_bytes())
    environment = os.environ | {"UV_CACHE_DIR": str(checkout / "var" / "cache" / "uv")}
    uv = checkout / "var" / "venv" / "bin" / "uv"
    command = [uv, "pip", "compile", "--quiet", *PLAIN, *arguments, "--output-file", fresh]
    try:
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode != 0:
            raise SupervisorError(f"cannot lock {target.name}:\n{done.stderr.strip()}")
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
