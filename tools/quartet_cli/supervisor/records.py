"""What a supervisor leaves on disk, so that the next one knows what a killed one left running."""

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from quartet_cli.supervisor.processes import Identity

RECORDS = "processes.json"
DONE = "done.json"
KILL_SECONDS = 5.0
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    identity: Identity
    stop_signal: int
    stop_seconds: float
    needs: tuple[str, ...] = ()
    """All that must outlive it, through one-shots too."""


class Records:
    """The processes that run now, in the order of their start; written before anybody relies on them."""

    def __init__(self, state: Path) -> None:
        self._path = state / RECORDS
        self._records: dict[str, Record] = {}

    def put(self, record: Record) -> None:
        self._records.pop(record.name, None)
        self._records[record.name] = record
        self._write()

    def drop(self, name: str) -> None:
        if self._records.pop(name, None):
            self._write()

    def _write(self) -> None:
        write_json(self._path, [asdict(record) for record in self._records.values()])


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all, and for the owner's eyes only."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file)
    fresh.replace(path)


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def left_over(state: Path) -> list[Record]:
    """Processes of a supervisor that is gone; never one that merely has the same pid."""
    found: list[Record] = []
    for entry in read_json(state / RECORDS) or []:
        identity = Identity.from_json(entry["identity"])
        stop = (entry["stop_signal"], entry["stop_seconds"], tuple(entry.get("needs", ())))
        record = Record(entry["name"], identity, *stop)
        if record.identity.is_alive():
            found.append(record)
    return found


def end_left_over(state: Path, *, tell: Callable[[str], None] = lambda _: None) -> Sequence[Record]:
    """Ends each after those that need it, with its own signal and patience; what stays deaf is killed."""
    records = left_over(state)
    remaining = {record.name: record for record in records}
    patience: dict[str, float] = {}
    while remaining:
        needed = {need for record in remaining.values() for need in record.needs}
        for name in [name for name in remaining if name not in needed]:
            record = remaining[name]
            if not record.identity.is_alive() or time.monotonic() > patience.get(name, inf) + KILL_SECONDS:
                del remaining[name]
            elif name not in patience:
                tell(name)
                patience[name] = time.monotonic() + record.stop_seconds
                record.identity.send(signal.Signals(record.stop_signal))
            elif time.monotonic() > patience[name]:
                record.identity.send(signal.SIGKILL)
        time.sleep(PAUSE_SECONDS)
    (state / RECORDS).unlink(missing_ok=True)
    return records


class Done:
    """One-shots that succeeded, each with the fingerprint of what it was made from."""

    def __init__(self, state: Path) -> None:
        self._path = state / DONE
        found: Any = read_json(self._path)
        self._fingerprints: dict[str, str] = found if isinstance(found, dict) else {}

    def holds(self, name: str, fingerprint: str) -> bool:
        return self._fingerprints.get(name) == fingerprint

    def put(self, name: str, fingerprint: str) -> None:
        self._fingerprints[name] = fingerprint
        write_json(self._path, self._fingerprints)
