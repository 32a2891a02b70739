from dataclasses import dataclass


@dataclass(frozen=True)
class DefaultCategory:
    name: str
    colour: str


DEFAULTS = (
    DefaultCategory("Work", "#3b6fd4"),
    DefaultCategory("Personal", "#3f9c5a"),
    DefaultCategory("Family", "#c2603a"),
    DefaultCategory("Health", "#b03a6f"),
    DefaultCategory("Learning", "#7a55c7"),
)
"""What a new user starts with, in this order."""
