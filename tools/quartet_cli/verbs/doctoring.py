"""doctor: whether this machine can run the stack, and what to do when it cannot."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from quartet_cli.stack import CHECKOUT, Stack
from quartet_cli.stack.description import DEFAULT_PORT_BASE, current_file, port_layout
from quartet_cli.stack.jars import KAFKA
from quartet_cli.stack.packages import needs
from quartet_cli.stack.ports import SETTING, chosen_base, is_free
from quartet_cli.supervisor.client import Supervised
from quartet_cli.supervisor.processes import holder_of
from quartet_cli.verbs.lifecycle import supervisor_of_chosen

GIBIBYTE = 1024**3
DISK_BYTES = 2 * GIBIBYTE
MEMORY_BYTES = int(1.5 * GIBIBYTE)


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    ok: bool
    detail: str
    cure: str = ""


def doctor() -> None:
    """Check programs, ports, disk and memory; ends with 1 when something is missing."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("checked", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold")
    findings = list(examine())
    for finding in findings:
        verdict = "[green]good[/]" if finding.ok else "[red]wrong[/]"
        cure = f". {finding.cure}" if finding.cure and not finding.ok else ""
        table.add_row(escape(finding.what), verdict, escape(f"{finding.detail}{cure}"))
    console.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    here = supervisor_of_chosen()
    running = here.is_running()
    yield Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0])
    yield from _programs()
    yield from _ports(running=running)
    yield _disk()
    yield _memory(running=running)
    yield _left_over(here)


def _programs() -> Iterator[Finding]:
    described = current_file()
    has_jars = described.exists() and KAFKA.folder(Stack.load(described).cache).exists()
    for need in needs(with_maven=not has_jars):
        there = need.is_there()
        cure = (
            "./quartet up installs it"
            if os.geteuid() == 0
            else f"As root: apt-get install {need.packages[0]}"
        )
        yield Finding(need.what, there, "there" if there else "missing", cure)


def _ports(*, running: bool) -> Iterator[Finding]:
    """Of a stack that does not run, all must be free."""
    path = current_file()
    chosen = None if running else chosen_base()
    if chosen or not path.exists():
        ports = port_layout(chosen or DEFAULT_PORT_BASE)
    else:
        ports = dict(Stack.load(path).ports)
    span = f"{min(ports.values())} to {max(ports.values())}"
    if running:
        yield Finding("ports", ok=True, detail=f"{span}, held by the running stack")
        return
    taken = {name: port for name, port in ports.items() if not is_free(port)}
    if not taken:
        yield Finding("ports", ok=True, detail=f"{span} are free ({SETTING} moves them)")
        return
    name, port = next(iter(taken.items()))
    more = f", and {len(taken) - 1} more are held" if len(taken) > 1 else ""
    detail = f"{port} for {name} is held by {holder_of(port) or 'another program'}{more}"
    yield Finding("ports", ok=False, detail=detail, cure=f"Set {SETTING} to the first of 100 free ports")


def _disk() -> Finding:
    free = shutil.disk_usage(_existing(CHECKOUT / "var")).free
    cure = f"Make room below {CHECKOUT / 'var'}"
    return Finding("disk", free >= DISK_BYTES, f"{free / GIBIBYTE:.1f} GiB free", cure)


def _memory(*, running: bool) -> Finding:
    free = psutil.virtual_memory().available
    detail = f"{free / GIBIBYTE:.1f} GiB available"
    return Finding("memory", running or free >= MEMORY_BYTES, detail, "The whole stack takes about 1.2 GiB")


def _left_over(here: Supervised) -> Finding:
    left = [] if here.is_running() else here.left_over()
    detail = f"left by a killed supervisor: {', '.join(left)}" if left else "nothing left over"
    return Finding("processes", not left, detail, "./quartet down ends them")


def _existing(path: Path) -> Path:
    return path if path.exists() else path.parent
