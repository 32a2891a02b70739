"""Runs pytest on a copy of the packages, in a process that has the libraries already and nothing of ours."""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.repository import ROOT, SERVICE_PACKAGES

PASSED, FAILED = 0, 1
ERRORED = 64
"""Only what surrounds the tests failed: nothing was found out. Beyond pytest's own codes."""
_SECONDS = 240.0
# Three quarters of a short run would be spent on reading these, twice for each guard.
_LIBRARIES = (
    *("asyncpg", "sqlalchemy.ext.asyncio", "alembic", "redis.asyncio", "aiokafka", "faststream.kafka"),
    *("fastapi", "httpx", "pydantic_settings", "structlog", "pytest"),
)
# Plugins that came with a library: pytest would have rewritten their asserts.
_ALREADY_THERE = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
# Read anew at the end of a run without bytecode, which CPython 3.11 may answer with a SystemError.
_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *_ALREADY_THERE)

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(list(_LIBRARIES))


def run(tests: Sequence[str], copy: Path) -> tuple[int, str]:
    """pytest's exit code and its last line; what hangs without its guard is as red as what fails."""
    said = copy / "said"
    process = _processes.Process(target=_pytest, args=(tuple(tests), copy, said))
    process.start()
    process.join(_SECONDS * len(tests))
    if process.exitcode is None:
        process.kill()
        process.join()
        return FAILED, "hangs"
    return process.exitcode, said.read_text().strip().rpartition("\n")[2]


def _pytest(tests: tuple[str, ...], copy: Path, said: Path) -> None:
    packages = [copy / "libs/common/src"]
    packages += [copy / package.parent.relative_to(ROOT) for package in SERVICE_PACKAGES.values()]
    sys.path[:0] = map(str, packages)
    sys.dont_write_bytecode = True
    os.environ |= {
        "PYTHONPATH": os.pathsep.join(map(str, packages)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "QUARTET_TEST_WORKER": os.environ.get("QUARTET_TEST_WORKER", "gw5"),
    }
    written = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.chdir(ROOT)
    # Here and not above: the process that is forked from reads no more than the libraries.
    import pytest

    failures = _Failures()
    code = pytest.main([*_OPTIONS, *tests], plugins=[failures])
    raise SystemExit(ERRORED if code == FAILED and not failures.seen else code)


class _Failures:
    """Of tests themselves, not of fixtures."""

    seen = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seen = self.seen or (report.when == "call" and report.failed)
