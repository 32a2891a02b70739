import argparse
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.guards.catalogue import GUARDS
from tests.guards.guard import Guard
from tests.guards.runs import FAILED, PASSED, run
from tests.support.repository import ROOT


def main() -> int:
    """0 when every chosen test passes with its guard and fails without it."""
    parser = argparse.ArgumentParser(prog="python -m tests.guards", description=main.__doc__)
    parser.add_argument("words", nargs="*", help="only guards whose names, files or tests hold one of these")
    words = parser.parse_args().words
    chosen = [guard for guard in GUARDS if not words or any(_speaks_of(word, guard) for word in words)]
    with tempfile.TemporaryDirectory(prefix="quartet-guards-") as folder:
        copy = Path(folder)
        _copy(copy)
        held = [*_stand(chosen, copy)]
    print(f"{sum(held)} of {len(held)} guards are held by their tests")
    return 0 if all(held) else 1


def _speaks_of(word: str, guard: Guard) -> bool:
    return any(word in text for text in (guard.name, guard.path, guard.test))


def _copy(copy: Path) -> None:
    for name in ("libs", "services"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))


def _stand(chosen: Sequence[Guard], copy: Path) -> Iterable[bool]:
    """All tests at once with every guard in place, each alone when that is not green; then without it."""
    outcome, _ = run(sorted({guard.test for guard in chosen}), copy)
    for guard in chosen:
        yield _stands(guard, copy, known_to_pass=outcome == PASSED)


def _stands(guard: Guard, copy: Path, *, known_to_pass: bool) -> bool:
    path = copy / guard.path
    whole = path.read_text()
    if whole.count(guard.present) != 1:
        print(f"NOT FOUND ONCE  {guard.name}: {guard.path}", flush=True)
        return False
    with_it, said = (PASSED, "") if known_to_pass else run([guard.test], copy)
    path.write_text(whole.replace(guard.present, guard.absent))
    without_it, heard = run([guard.test], copy)
    path.write_text(whole)
    held = with_it == PASSED and without_it == FAILED
    detail = f" ({heard})" if with_it == PASSED else f" (fails with it, too: {said})"
    print(f"{'held    ' if held else 'NOT HELD'}  {guard.name}{detail}", flush=True)
    return held


if __name__ == "__main__":
    raise SystemExit(main())
