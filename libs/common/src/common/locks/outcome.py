from enum import StrEnum


class Outcome(StrEnum):
    """Whatever it is, the caller goes on: only how much work is saved depends on it."""

    HELD = "held"
    BUSY = "busy"
    """Another holds it, and was waited for long enough."""
    SKIPPED = "skipped"
    """Redis is away, slow, or refuses."""
