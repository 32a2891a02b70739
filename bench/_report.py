"""A table for the reader and JSON for whoever compares later."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"


def machine() -> dict[str, Any]:
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory_kib = int(next(line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")))
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kib / 1024**2, 1),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def at_least(value: float, wanted: float) -> str:
    """For the column `goal`: what was wanted of this row, and whether it came to that."""
    return f"at least {wanted:g}: {'reached' if value >= wanted else 'missed'}"


def at_most(value: float, wanted: float) -> str:
    return f"at most {wanted:g}: {'reached' if value <= wanted else 'missed'}"


def report(name: str, title: str, rows: Sequence[Mapping[str, Any]], **facts: Any) -> None:
    """Prints the rows and keeps them in docs/benchmarks; the first row's columns are everybody's."""
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="left" if column == next(iter(rows[0])) else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=120).print(table)
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {
        "bench": name,
        "title": title,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "facts": facts,
        "rows": list(rows),
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


def _cell(value: object) -> str:
    return (
        f"{value:,.3f}"
        if isinstance(value, float) and value < 10
        else (f"{value:,.0f}" if isinstance(value, float) else str(value))
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
