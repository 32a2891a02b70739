"""Runs suites one after another, each on the stack that it needs, and sums up."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quartet_cli import testing
from quartet_cli.stack import stack_file
from quartet_cli.stack.errors import StackError
from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.testing_suites.running import Counts, Outcome, run_step
from quartet_cli.testing_suites.suites import REPORTS, Form, StackName, Suite, environment
from quartet_cli.verbs.lifecycle import WHOLE, InterruptedUpError, alone, bring_down, bring_up
from quartet_cli.verbs.progress import Progress


@dataclass(frozen=True, slots=True)
class Result:
    suite: str
    outcomes: Sequence[Outcome]
    seconds: float
    error: str = ""
    """Why it could not be run at all."""

    @property
    def ok(self) -> bool:
        return not self.error and all(outcome.ok for outcome in self.outcomes)

    @property
    def counts(self) -> Counts:
        return sum((outcome.counts for outcome in self.outcomes), start=Counts())


def run_suites(suites: Sequence[Suite], form: Form) -> bool:
    """True when all passed; every stack that was started for them is stopped again, whatever happens."""
    began = time.monotonic()
    results: list[Result] = []
    with Progress() as progress:
        try:
            for _, group in groupby(suites, key=lambda suite: suite.stack):
                results += _run_group(list(group), form, progress)
        except KeyboardInterrupt:
            raise InterruptedUpError("interrupted; every stack of these tests is stopped again") from None
    _sum_up(results, time.monotonic() - began)
    return all(result.ok for result in results)


def _run_group(suites: Sequence[Suite], form: Form, progress: Progress) -> list[Result]:
    """All of one group use the same stack."""
    stack = suites[0].stack
    began = time.monotonic()
    try:
        with _on(stack, progress) as description:
            return [_run(suite, environment(description, form), progress) for suite in suites]
    except InterruptedUpError:
        raise
    except (SupervisorError, StackError) as error:
        progress.say(f"the {stack} stack is not up: {error}")
        return [Result(suite.name, (), time.monotonic() - began, error="no stack") for suite in suites]


def _run(suite: Suite, told: dict[str, str], progress: Progress) -> Result:
    began = time.monotonic()
    outcomes = [
        run_step(step, environment=told, seconds=suite.seconds, progress=progress) for step in suite.steps
    ]
    return Result(suite.name, outcomes, time.monotonic() - began)


@contextmanager
def _on(stack: StackName | None, progress: Progress) -> Generator[Path | None]:
    if stack is None:
        yield None
        return
    with alone(REPORTS / f"{stack}.lock", progress, f"tests on the {stack} stack"), _up(stack, progress):
        yield stack_file(stack)


@contextmanager
def _up(stack: StackName, progress: Progress) -> Generator[None]:
    if stack == testing.NAME:
        with _servers(progress):
            yield
    else:
        # What an earlier run left behind must not decide what this one finds.
        bring_down(stack, progress=progress, erase=True)
        try:
            progress.say(f"starting a stack of its own for {stack}")
            bring_up(stack, factory=WHOLE, progress=progress)
            yield
        finally:
            bring_down(stack, progress=progress)


@contextmanager
def _servers(progress: Progress) -> Generator[None]:
    """Stays up when somebody had started it by hand."""
    if testing.is_up():
        yield
        return
    try:
        progress.say("starting servers for tests")
        bring_up(testing.NAME, factory=testing.SERVERS, progress=progress)
        yield
    finally:
        bring_down(testing.NAME, progress=progress)


def _sum_up(results: Sequence[Result], seconds: float) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("suite", no_wrap=True)
    table.add_column("result", no_wrap=True)
    for column in ("tests", "failed", "skipped", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in results:
        verdict = "[green]passed[/]" if result.ok else "[red]failed[/]"
        numbers = (result.counts.total, result.counts.failed, result.counts.skipped)
        cells = [str(number) if result.counts.total else "" for number in numbers]
        table.add_row(escape(result.suite), verdict, *cells, f"{result.seconds:.1f}")
    console.print()
    console.print(table)
    for result in results:
        for outcome in result.outcomes:
            if not outcome.ok:
                console.print(escape(f"{result.suite}: {outcome.step} {outcome.what}"))
        if result.error:
            console.print(escape(f"{result.suite}: {result.error}"))
    console.print(last_line(results, seconds))


def last_line(results: Sequence[Result], seconds: float) -> str:
    """In pytest's words, because people and programs look for them; numbers of nothing are left out."""
    counts = sum((result.counts for result in results), start=Counts())
    told = {"failed": counts.failed, "passed": counts.passed, "skipped": counts.skipped}
    parts = [f"{number} {word}" for word, number in told.items() if number]
    broken = [result.suite for result in results if not result.ok]
    if broken:
        parts.append(f"not passed: {', '.join(broken)}")
    return f"{', '.join(parts or ['all passed'])} in {seconds:.1f} s"
