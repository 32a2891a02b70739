"""What to tell when a part cannot have its ports."""

from collections.abc import Iterable

from quartet_cli.stack.part import Part
from quartet_cli.stack.ports import SETTING, is_free
from quartet_cli.supervisor.processes import holder_of

NAMED = 3
"""Ports of another whole stack would fill the screen."""


def complaint(parts: Iterable[Part]) -> str | None:
    """Names every port that others hold, who holds it if that can be seen, and the setting that moves all."""
    taken = [(part, port) for part in parts for port in part.ports if not is_free(port)]
    if not taken:
        return None
    lines = [
        f"port {port} for {part.name} is held by {holder_of(port) or 'another program'}"
        for part, port in taken[:NAMED]
    ]
    if len(taken) > NAMED:
        lines.append(f"and {len(taken) - NAMED} more")
    return (
        "\n".join(lines)
        + f"\nStop what holds it, or set {SETTING} to the first of 100 free ports and run this again."
    )
