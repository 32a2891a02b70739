"""up, down, restart, status, logs: the stack of this checkout."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quartet_cli.stack import Stack
from quartet_cli.stack.description import DEVELOPMENT
from quartet_cli.supervisor.client import Supervised, SupervisorError, failures
from quartet_cli.verbs.following import follow, last_lines
from quartet_cli.verbs.lifecycle import (
    WHOLE,
    bring_down,
    bring_up,
    chosen,
    refuse_any_but_development,
    supervisor_of_chosen,
)
from quartet_cli.verbs.progress import Progress

SHOWN = ("name", "state", "pid", "url", "probe_url", "rss_bytes", "crashes")
MEBIBYTE = 1024 * 1024
COLOURS = {"ready": "green", "done": "dim", "failed": "red", "restarting": "yellow", "unready": "yellow"}


def up() -> None:
    """Install what is missing, start what does not run, restart what has changed."""
    refuse_any_but_development("up")
    with Progress() as progress:
        stack = bring_up(DEVELOPMENT, factory=WHOLE, progress=progress)
        progress.say("everything is up")
    _show(stack, supervisor_of_chosen())
    Console(highlight=False).print(
        "Next: ./quartet seed   ./quartet status   ./quartet logs -f   ./quartet down"
    )


def down(
    erase: Annotated[
        bool, typer.Option("--erase", help="Remove the data, passwords and certificates too.")
    ] = False,
) -> None:
    """Stop everything; data stays unless erased."""
    refuse_any_but_development("down")
    with Progress() as progress:
        ran = bring_down(DEVELOPMENT, progress=progress, erase=erase)
        progress.say("everything is stopped" if ran else "nothing was running")
        if erase:
            progress.say("data erased")


def restart(
    parts: Annotated[list[str] | None, typer.Argument(help="Parts, or services; without: all.")] = None,
) -> None:
    """Stop and start parts, for example `auth-api`, or `auth` for both processes of auth."""
    here = supervisor_of_chosen()
    _refuse_unknown(parts or [], [part["name"] for part in _parts(here)])
    with Progress() as progress:
        outcome = here.ask({"verb": "restart", "parts": parts or []}, tell=progress.tell)
    if not outcome["ok"]:
        missing = f"not up: {', '.join(failures(outcome))}"
        raise SupervisorError(str(outcome.get("error") or missing))


def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Tell what runs, where it listens and how much memory it takes."""
    here = supervisor_of_chosen()
    running = here.is_running()
    if not running:
        _tell_that_nothing_runs(here, as_json=as_json)
        raise typer.Exit(1)
    stack = chosen()
    if as_json:
        parts = [{name: part[name] for name in SHOWN} for part in _parts(here)]
        print(json.dumps({"gateway": stack.gateway_url, "parts": parts}, indent=2))
        return
    _show(stack, here)


def logs(
    part: Annotated[str | None, typer.Argument(help="One part; without: all.")] = None,
    follow_on: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written.")] = False,
    lines: Annotated[int, typer.Option("-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Show the last lines that parts wrote."""
    stack = chosen()
    found = {path.stem: path for path in sorted(stack.logs.glob("*.log"))}
    if part is not None:
        _refuse_unknown([part], list(found))
        found = {name: path for name, path in found.items() if _means(part, name)}
    if not found:
        raise SupervisorError("there are no logs yet")
    for line in last_lines(found, lines):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    if follow_on:
        follow(found)


def _means(asked: str, part: str) -> bool:
    """`auth` means every part of auth."""
    return part == asked or part.startswith(f"{asked}-")


def _refuse_unknown(asked: Sequence[str], there: Sequence[str]) -> None:
    for name in asked:
        if not any(_means(name, part) for part in there):
            raise typer.BadParameter(f"there is no part {name!r}; there are: {', '.join(there)}")


def _parts(here: Supervised) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", here.ask({"verb": "status", "memory": True})["parts"])


def _tell_that_nothing_runs(here: Supervised, *, as_json: bool) -> None:
    left = here.left_over() if here.state.is_dir() else []
    if as_json:
        parts = [dict.fromkeys(SHOWN) | {"name": name, "state": "left over"} for name in left]
        print(json.dumps({"gateway": None, "parts": parts}, indent=2))
    elif left:
        print(f"The supervisor was killed; still running: {', '.join(left)}. ./quartet up or down ends them.")
    else:
        print("Nothing runs. ./quartet up starts everything.")


def _show(stack: Stack, here: Supervised) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("part", "state", "pid"):
        table.add_column(column, no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    notes: list[str] = []
    for part in _parts(here):
        state = str(part["state"])
        memory = f"{part['rss_bytes'] / MEBIBYTE:.0f} MiB" if part["rss_bytes"] else ""
        crashes = f" ({part['crashes']} crashes)" if part["crashes"] else ""
        colour = COLOURS.get(state, "default")
        cells = (f"[{colour}]{escape(state + crashes)}[/]", str(part["pid"] or ""), memory)
        table.add_row(escape(part["name"]), *cells, escape(part["url"] or ""))
        if part["reason"]:
            notes.append(f"{part['name']}: {part['reason']}\n  (all of it: {part['log']})")
    console.print(table)
    for note in notes:
        console.print(escape(note), soft_wrap=True)
    console.print(
        f"Gateway  {escape(stack.gateway_url)}   (its authority: {escape(str(stack.ca_file))})",
        soft_wrap=True,
    )
