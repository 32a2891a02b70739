"""Which suites there are, what each needs to run, and of which commands it consists."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quartet_cli.stack import CHECKOUT
from quartet_cli.stack.table import ENTRIES

StackName = Literal["test", "whole"]

PROGRAMS = Path(sys.executable).parent
VAR = CHECKOUT / "var"
REPORTS = VAR / "reports"
CACHE = VAR / "cache"
TWO_WORKERS = ("-n", "2", "--dist", "loadfile")
# its tests wait for servers and processes half of the time; its files come in an order of their own
THREE_WORKERS = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
SUITE_SECONDS = 2400.0


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a suite; it passes when the command ends with 0."""

    name: str
    command: tuple[str, ...]
    results: Path | None = None
    """Where it writes its results as JUnit XML; without, the command itself is the only check."""


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    steps: Sequence[Step]
    stack: StackName | None = None
    seconds: float = SUITE_SECONDS
    """After so long it counts as hanging."""

    @property
    def beside(self) -> bool:
        """Runs while others do: what is asked of a whole stack waits more than it computes."""
        return self.stack == "whole"


@dataclass(frozen=True, slots=True)
class Form:
    """Short, as for every change, or long; what tests are told of it travels in their environment."""

    long: bool = False
    seed: int | None = None
    minutes: float | None = None

    def environment(self) -> Mapping[str, str]:
        told = {
            "QUARTET_TEST_LONG": "1" if self.long else None,
            "QUARTET_TEST_SEED": None if self.seed is None else str(self.seed),
            "QUARTET_TEST_MINUTES": None if self.minutes is None else f"{self.minutes:g}",
        }
        return {name: value for name, value in told.items() if value is not None}

    @property
    def more_seconds(self) -> float:
        return 60 * (self.minutes or 0) + (7200 if self.long else 0)


def all_suites(form: Form) -> tuple[Suite, ...]:
    """From what fails soonest to what takes longest."""
    return (
        Suite("lint", lint_steps()),
        _tests("unit", form, options=TWO_WORKERS),
        # reading events takes a second: less than a second worker needs to begin
        _tests("contracts", form),
        _tests("simulation", form, options=TWO_WORKERS),
        _tests("integration", form, stack="test", options=THREE_WORKERS),
        _tests("migrations", form, stack="test", options=TWO_WORKERS),
        _tests("e2e", form, stack="whole"),
        _tests("faults", form, stack="whole"),
    )


def _tests(name: str, form: Form, *, stack: StackName | None = None, options: Sequence[str] = ()) -> Suite:
    results = REPORTS / f"{name}.xml"
    command = (
        *(sys.executable, "-m", "pytest", f"tests/{name}", "-q", "--color=no"),
        *(f"--junitxml={results}", "-o", f"cache_dir={CACHE / 'pytest'}", *options),
    )
    return Suite(name, (Step(name, command, results),), stack, SUITE_SECONDS + form.more_seconds)


def lint_steps() -> tuple[Step, ...]:
    """Everything that reads code without running it."""
    ruff = str(PROGRAMS / "ruff")
    cache = f"--cache-dir={CACHE / 'ruff'}"
    layers = (str(PROGRAMS / "lint-imports"), "--cache-dir", str(CACHE / "import-linter"))
    return (
        Step("ruff", (ruff, "check", cache, "--quiet", ".", "quartet")),
        Step("format", (ruff, "format", cache, "--check", "--quiet", ".", "quartet")),
        Step("layers", layers),
        Step("squawk", (sys.executable, "-m", "quartet_cli.testing_suites.migration_sql")),
        Step("bench", (sys.executable, "-m", "compileall", "-q", "bench")),
        Step("pyright", (str(PROGRAMS / "pyright"),)),
    )


def environment(stack: Path | None, form: Form) -> dict[str, str]:
    """Caches stay below var/, bytecode beside its source; a stack is named only to suites that may use it."""
    told = {
        "PYRIGHT_PYTHON_CACHE_DIR": str(VAR / "pyright"),
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
        "PYTHONUNBUFFERED": "1",
        **form.environment(),
    }
    return told | ({"QUARTET_STACK": str(stack)} if stack else {})


PACKAGES = tuple(entry.package for entry in ENTRIES)
