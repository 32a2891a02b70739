"""Runs one command of a suite: its output to a file, its last line as progress, its end within a time."""

import contextlib
import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from quartet_cli.stack import CHECKOUT
from quartet_cli.testing_suites.suites import REPORTS, Step
from quartet_cli.verbs.progress import Progress

KILL_SECONDS = 10.0
HEARTBEAT_SECONDS = 20.0
LOOK_SECONDS = 0.5
SHOWN_LINES = 300
NOT_INHERITED = ("QUARTET_", "PYTEST_", "PYTHON")
PERCENT = re.compile(r"\[ *(\d+%)\]")


@dataclass(frozen=True, slots=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    schedules: int = 0
    """Of the simulation, which tells them as a property of each test."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.schedules + other.schedules,
        )

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.skipped


@dataclass(frozen=True, slots=True)
class Outcome:
    step: str
    ok: bool
    seconds: float
    counts: Counts
    what: str = ""
    """Why not, in a line; the output itself has been shown."""


class StoppedError(Exception):
    """Somebody wants the run to end; nothing of the step that was under way is left."""


def run_step(
    step: Step,
    *,
    environment: Mapping[str, str],
    seconds: float,
    progress: Progress,
    stop: threading.Event,
) -> Outcome:
    """The output of a step that fails is shown, that of one that passes is only kept."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    if step.results is not None:
        step.results.unlink(missing_ok=True)
    log = REPORTS / f"{step.name}.log"
    began = time.monotonic()
    progress.begin(step.name, "running")
    try:
        code = _run(step, log, environment=environment, seconds=seconds, progress=progress, stop=stop)
    except OSError as error:
        code, what = 1, f"cannot be run: {error}"
    else:
        what = f"was killed after {seconds:g} s" if code is None else f"ended with {code}"
    counts = count(step.results) if step.results else Counts()
    empty = step.results is not None and counts.total == 0
    ok = code == 0 and not empty
    took = time.monotonic() - began
    if ok:
        schedules = f", {counts.schedules:,} schedules" if counts.schedules else ""
        told = f" ({counts.passed} tests{schedules})" if step.results else ""
        progress.end(step.name, f"passed in {took:.1f} s{told}")
        return Outcome(step.name, ok=True, seconds=took, counts=counts)
    what = "ran no test" if empty and code in {0, 5} else what
    progress.end(step.name, f"failed: {what}", reason=_end_of(log))
    return Outcome(step.name, ok=False, seconds=took, counts=counts, what=what)


def _run(
    step: Step,
    log: Path,
    *,
    environment: Mapping[str, str],
    seconds: float,
    progress: Progress,
    stop: threading.Event,
) -> int | None:
    """None when it had to be killed."""
    process = subprocess.Popen(
        step.command,
        cwd=CHECKOUT,
        env={**_inherited(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=_copy, args=(process, log, lines), daemon=True)
    reader.start()
    try:
        return _watch(process, lines, step=step, seconds=seconds, progress=progress, stop=stop)
    finally:
        _end(process)
        reader.join(KILL_SECONDS)


def _inherited() -> dict[str, str]:
    """Settings of somebody's shell must not decide what tests do.

    One of them, PYTHONDONTWRITEBYTECODE, has every process compile all that it imports: 6 s instead of 2.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}


def _copy(process: "subprocess.Popen[bytes]", log: Path, lines: "queue.SimpleQueue[str]") -> None:
    if process.stdout is None:
        return
    with log.open("wb") as file, process.stdout as output:
        for line in output:
            file.write(line)
            file.flush()
            lines.put(line.decode("utf-8", "replace").strip())


def _watch(
    process: "subprocess.Popen[bytes]",
    lines: "queue.SimpleQueue[str]",
    *,
    step: Step,
    seconds: float,
    progress: Progress,
    stop: threading.Event,
) -> int | None:
    deadline = time.monotonic() + seconds
    told = time.monotonic()
    while time.monotonic() < deadline:
        if stop.is_set():
            raise StoppedError
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(LOOK_SECONDS)
        while not lines.empty():
            line = lines.get()
            if line:
                progress.change(step.name, short(line))
        if not progress.is_live and time.monotonic() - told > HEARTBEAT_SECONDS:
            told = time.monotonic()
            progress.say(f"{step.name} {progress.under_way(step.name)}")
    return None


def short(line: str) -> str:
    """How far pytest is, else what the command wrote last."""
    found = PERCENT.search(line)
    return f"running, {found[1]}" if found else f"running: {line[:70]}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With everything that it has started."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        # the second one also ends what a test has stopped, or what outlived the first process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILL_SECONDS)


def count(results: Path) -> Counts:
    """Errors outside of a test's body count as failures; nothing is counted of a file that is not whole."""
    try:
        root = ET.parse(results).getroot()  # noqa: S314 - written by pytest a moment ago
    except (OSError, ET.ParseError):
        return Counts()
    counts = Counts()
    for suite in root.iter("testsuite"):
        number = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
        failed = number["failures"] + number["errors"]
        counts += Counts(max(0, number["tests"] - failed - number["skipped"]), failed, number["skipped"])
    told = root.iterfind(".//property[@name='schedules']")
    return counts + Counts(schedules=sum(int(found.get("value", "0")) for found in told))


def _end_of(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    cut = [f"… {len(lines) - SHOWN_LINES} lines more in {log}"] if len(lines) > SHOWN_LINES else []
    return "\n".join([*cut, *lines[-SHOWN_LINES:]])
