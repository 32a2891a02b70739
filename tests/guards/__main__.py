import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guards.catalogue import GUARDS
from tests.guards.guard import Guard
from tests.support.repository import ROOT, SERVICE_PACKAGES

_SECONDS = 240.0
_TESTS_FAILED = 1


def main() -> int:
    """0 when every chosen test passes with its guard and fails without it."""
    parser = argparse.ArgumentParser(prog="python -m tests.guards", description=main.__doc__)
    parser.add_argument("words", nargs="*", help="only guards whose names hold one of these")
    words = parser.parse_args().words
    chosen = [one for one in GUARDS if not words or any(word in one.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="quartet-guards-") as folder:
        copy = Path(folder)
        _copy(copy)
        held = [_stands(guard, copy) for guard in chosen]
    print(f"{sum(held)} of {len(held)} guards are held by their tests")
    return 0 if all(held) else 1


def _copy(copy: Path) -> None:
    for name in ("libs", "services"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))


def _stands(guard: Guard, copy: Path) -> bool:
    path = copy / guard.path
    whole = path.read_text()
    if whole.count(guard.present) != 1:
        print(f"NOT FOUND ONCE  {guard.name}: {guard.path}")
        return False
    with_it, said = _run(guard.test, copy)
    path.write_text(whole.replace(guard.present, guard.absent))
    without_it, _ = _run(guard.test, copy)
    path.write_text(whole)
    held = with_it == 0 and without_it == _TESTS_FAILED
    detail = "" if with_it == 0 else f" (fails with it, too: {said})"
    print(f"{'held    ' if held else 'NOT HELD'}  {guard.name}{detail}", flush=True)
    return held


def _run(test: str, copy: Path) -> tuple[int, str]:
    """pytest's exit code and its last line."""
    packages = [copy / "libs/common/src"]
    packages += [copy / package.parent.relative_to(ROOT) for package in SERVICE_PACKAGES.values()]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, packages)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "QUARTET_TEST_WORKER": os.environ.get("QUARTET_TEST_WORKER", "gw5"),
    }
    # Read anew at the end of a run without bytecode, which CPython 3.11 may answer with a SystemError.
    plugins = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    command = (sys.executable, "-m", "pytest", "-q", "-x", *plugins, test)
    try:
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        # A test that hangs without its guard is as red as one that fails.
        return _TESTS_FAILED, "hangs"
    return ended.returncode, (ended.stdout.strip() or ended.stderr.strip()).rpartition("\n")[2]


if __name__ == "__main__":
    raise SystemExit(main())
