"""Writes the SQL of every service's migrations and has squawk read it.

python -m quartet_cli.testing_suites.migration_sql
"""

import subprocess
import sys
from pathlib import Path

from quartet_cli.testing_suites.suites import PACKAGES, PROGRAMS, REPORTS

SETTINGS = Path(__file__).with_name("squawk.toml")


def main() -> int:
    folder = REPORTS / "sql"
    folder.mkdir(parents=True, exist_ok=True)
    files = [_write(package, folder) for package in PACKAGES]
    return subprocess.run([PROGRAMS / "squawk", "--config", SETTINGS, *files], check=False).returncode


def _write(package: str, folder: Path) -> Path:
    path = folder / f"{package}.sql"
    done = subprocess.run(
        [sys.executable, "-m", f"{package}.migrate", "--sql"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{package} cannot print its SQL:\n{done.stderr}")
    path.write_text(done.stdout)
    return path


if __name__ == "__main__":
    raise SystemExit(main())
