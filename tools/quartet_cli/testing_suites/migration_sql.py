"""Writes the SQL of every service's migrations and has squawk read it.

python -m quartet_cli.testing_suites.migration_sql
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quartet_cli.testing_suites.suites import PACKAGES, PROGRAMS, REPORTS

FOLDER = REPORTS / "sql"
SETTINGS = Path(__file__).with_name("squawk.toml")


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        files = list(pool.map(_write, PACKAGES))
    return subprocess.run([PROGRAMS / "squawk", "--config", SETTINGS, *files], check=False).returncode


def _write(package: str) -> Path:
    path = FOLDER / f"{package}.sql"
    done = subprocess.run(
        [sys.executable, "-m", f"{package}.migrate", "--sql"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{package} cannot print its SQL:\n{done.stderr}")
    path.write_text(done.stdout)
    return path


if __name__ == "__main__":
    raise SystemExit(main())
