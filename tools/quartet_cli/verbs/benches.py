"""bench: the measurements of bench/, each a program of its own."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from quartet_cli.stack import CHECKOUT
from quartet_cli.stack.description import current_file
from quartet_cli.supervisor.client import SupervisorError
from quartet_cli.verbs.lifecycle import supervisor_of_chosen
from quartet_cli.verbs.progress import Progress

FOLDER = CHECKOUT / "bench"


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Without: all.")] = None,
) -> None:
    """Measure on the running stack; every bench prints a table and writes JSON."""
    found = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("_")}
    found = {name: path for name, path in found.items() if "__main__" in path.read_text()}
    unknown = set(names or ()) - found.keys()
    if unknown:
        raise typer.BadParameter(f"no bench {', '.join(sorted(unknown))}; there are: {', '.join(found)}")
    if not supervisor_of_chosen().is_running():
        raise SupervisorError("benches measure the running stack: ./quartet up")
    environment = os.environ | {"QUARTET_STACK": str(current_file().resolve())}
    failed: list[str] = []
    with Progress() as progress:
        for name, path in found.items():
            if names and name not in names:
                continue
            progress.say(f"{name}:")
            command = [sys.executable, "-m", f"bench.{path.stem}"]
            if subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode != 0:
                failed.append(name)
    if failed:
        raise SupervisorError(f"failed: {', '.join(failed)}")
