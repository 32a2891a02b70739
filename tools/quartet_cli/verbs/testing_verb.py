"""test: all suites, or some."""

from typing import Annotated

import typer

from quartet_cli.testing_suites.run import run_suites
from quartet_cli.testing_suites.suites import Form, all_suites


def run_tests(
    suites: Annotated[
        list[str] | None, typer.Argument(help="lint, unit, contracts, …; without: all.")
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="The long forms as well.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of what is random, to repeat a run.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="How long the long forms may take.")] = None,
) -> None:
    """Run the tests on stacks of their own, apart from the one of `up`, and sum up."""
    form = Form(long=long, seed=seed, minutes=minutes)
    every = {suite.name: suite for suite in all_suites(form)}
    unknown = set(suites or ()) - every.keys()
    if unknown:
        raise typer.BadParameter(f"no suite {', '.join(sorted(unknown))}; there are: {', '.join(every)}")
    chosen = [suite for name, suite in every.items() if not suites or name in suites]
    if not run_suites(chosen, form):
        raise typer.Exit(1)
