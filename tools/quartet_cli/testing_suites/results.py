"""What became of the suites, and how a run sums it up."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quartet_cli.testing_suites.running import Counts, Outcome


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


def sum_up(results: Sequence[Result], seconds: float) -> None:
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
    console.print(last_line(results, seconds), soft_wrap=True)


def last_line(results: Sequence[Result], seconds: float) -> str:
    """In pytest's words, because people and programs look for them; numbers of nothing are left out."""
    counts = sum((result.counts for result in results), start=Counts())
    told = {"failed": counts.failed, "passed": counts.passed, "skipped": counts.skipped}
    parts = [f"{number} {word}" for word, number in told.items() if number]
    broken = [result.suite for result in results if not result.ok]
    if broken:
        parts.append(f"not passed: {', '.join(broken)}")
    return f"{', '.join(parts or ['all passed'])} in {seconds:.1f} s"
