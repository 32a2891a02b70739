"""What a program does before it imports what it is made of, and as soon as it has.

Whoever imports the same modules for another reason, a test for one, is left as he is.
"""

import atexit
import gc
import sys
from types import ModuleType
from typing import Final, cast

_LEFT_OUT: Final = (
    # frames in colour: log lines are JSON
    "rich",
    "pygments",
    # metrics of Redis' client and facts of the machine: metrics here are Prometheus'
    "opentelemetry.sdk.metrics",
    "psutil",
    # starting again when a source changes
    "watchfiles",
    # models of before: FastAPI looks whether one of ours is
    "pydantic.v1",
)
"""Libraries take these along where they find them, and do without where they do not."""


def hold_back() -> None:
    """The first lines of a program: no extras, and no looking for garbage in what is only being made.

    Nor when it ends. Together that is a third of the CPU of importing auth's api and leaving again.
    """
    gc.disable()
    atexit.register(gc.freeze)
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    for name in _LEFT_OUT:
        modules.setdefault(name, None)


def go_on() -> None:
    """All is imported, and stays; from now on there may be garbage."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
