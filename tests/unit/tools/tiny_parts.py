"""Parts that are real processes of a few lines, for tests of the supervisor."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any

from quartet_cli.stack.part import Part

WAITS = "import signal; signal.pause()"

NOTES_ITS_LIFE = """
import os, signal, sys
def note(what):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(what + " " + os.environ["NAME"] + "\\n")
def end(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("started")
open(os.environ["READY"], "w").close()
while True:
    signal.pause()
"""


def part(name: str, state: Path, code: str = NOTES_ITS_LIFE, **changes: Any) -> Part:
    """Ready as soon as it has left its mark; every start begins without one."""
    mark = state / f"{name}.ready"

    async def prepare() -> None:
        mark.unlink(missing_ok=True)

    async def ready() -> bool:
        return mark.exists()

    given: dict[str, Any] = {
        "log": state / f"{name}.log",
        "command": (sys.executable, "-S", "-c", code),
        "env": {"NOTES": str(state / "notes"), "NAME": name, "READY": str(mark)},
        "prepare": prepare,
        "ready": ready,
        "ready_seconds": 20.0,
        "stop_seconds": 5.0,
    }
    return Part(name=name, **{**given, **changes})


def just_runs(name: str, state: Path, code: str = WAITS, **changes: Any) -> Part:
    """Ready when it runs."""
    return part(name, state, code, ready=None, **changes)


def notes(state: Path) -> list[str]:
    path = state / "notes"
    return path.read_text().splitlines() if path.exists() else []


def described(argument: str) -> Sequence[Part]:
    """What the resident process of a test supervises: names, needs and code from a JSON file."""
    path = Path(argument)
    return tuple(
        part(
            one["name"],
            path.parent,
            one.get("code", NOTES_ITS_LIFE),
            needs=tuple(one.get("needs", ())),
            stop_signal=Signals(one.get("stop_signal", SIGTERM)),
        )
        for one in json.loads(path.read_text())
    )
